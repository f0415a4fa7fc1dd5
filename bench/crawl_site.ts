/**
 * The web site of the crawl workload, in a process of its own: says its port, and then serves until
 * its input ends. Its pages are as large as those of a small site are, each links to the ten below
 * it, to the next one and to the first, and 1 of 50 links leads nowhere.
 */
const pages = Number(Deno.args[0]);

const filler = "<p>Some text that stands between the links, as there is on any page.</p>\n".repeat(
  60,
);

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
  const number = Number(/\/(\d+)$/.exec(url)?.[1] ?? 0);
  if (number >= pages) return new Response("Nothing here", { status: 404 });
  return new Response(page(number), { headers: { "content-type": "text/html; charset=utf-8" } });
});
Deno.stdout.writeSync(new TextEncoder().encode(`${server.addr.port}\n`));
for await (const _ of Deno.stdin.readable);
await server.shutdown();

function page(number: number): string {
  const below = Array.from({ length: 10 }, (_, digit) => 10 * number + digit)
    .filter((child) => child > number && child < pages);
  const broken = number % 50 === 0 ? [pages + number] : [];
  const links = [0, ...below, (number + 1) % pages, ...broken];
  return `<!doctype html>
<title>Page ${number}</title>
<ul>${links.map((link) => `<li><a href="/${link}">page ${link}</a>`).join("\n")}</ul>
${filler}`;
}
