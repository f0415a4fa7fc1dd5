/** A program: prints the milliseconds that it takes to import the module it is given. */
const [specifier = ""] = Deno.args;
await timed("data:text/javascript,1"); // opens what Deno opens at the first import
const empty = await timed("data:text/javascript,2");
console.log(await timed(specifier) - empty);

async function timed(specifier: string): Promise<number> {
  const start = performance.now();
  await import(specifier);
  return performance.now() - start;
}
