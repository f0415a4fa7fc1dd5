/** Weft imported from a remote URL, as JSR serves it; the tasks are the user's own file. */
import { assertEquals } from "@std/assert";

const root = new URL("../../", import.meta.url);

/** What the user's files say; `weft` is where Weft is served. */
const files = {
  "tasks.ts": (weft: string) => `
    import { sleep } from "${weft}/mod.ts";
    import { runInMain, serve } from "${weft}/lib/thread/mod.ts";
    export default serve({
      init: () => ({ n: 40 }),
      tasks: {
        *add(state, n: number) {
          yield* sleep(1);
          return runInMain("shown", state.n + n);
        },
      },
    });`,
  "program.ts": (weft: string) => `
    import { main } from "${weft}/mod.ts";
    import { ThreadPool } from "${weft}/lib/thread/mod.ts";
    import type tasks from "./tasks.ts";
    main(function* () {
      const shown = (n: number) => \`\${n} it is\`;
      const module = import.meta.resolve("./tasks.ts");
      const pool = yield* ThreadPool.make<typeof tasks>(module, { size: 2, main: { shown } });
      console.log(yield* pool.run("add", 2));
      yield* pool.close();
      const functions = yield* ThreadPool.make({ size: 2, init: () => 1 });
      console.log(yield* functions.run((state, n: number) => state + n, 1));
    });`,
};

/** A program that has no module of tasks. */
const cached = (weft: string) => `
  import { main } from "${weft}/mod.ts";
  import { ThreadPool } from "${weft}/lib/thread/mod.ts";
  main(function* () {
    const pool = yield* ThreadPool.make({ size: 1, init: () => 1 });
    console.log(yield* pool.run((state, n: number) => state + n, 1));
    yield* pool.close();
  });`;

/** Runs Deno in a folder that has a cache of its own. */
async function deno(folder: string, ...args: string[]): Promise<readonly [number, string, string]> {
  const env = { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" };
  const command = new Deno.Command(Deno.execPath(), { args, env, cwd: folder });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return [code, decoder.decode(stdout), decoder.decode(stderr)];
}

function serve(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, serveSource);
}

Deno.test("ThreadPool works when Weft is imported from a remote URL, with a module and with functions", async () => {
  await using server = serve();
  const host = `127.0.0.1:${server.addr.port}`;
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, code] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, code(`http://${host}`));
    }
    const run = ["run", "--quiet", "--no-prompt", "--no-lock", "--allow-read"];
    const result = await deno(folder, ...run, `--allow-import=${host}`, "program.ts");
    assertEquals(result, [0, "42 it is\n2\n", ""]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("ThreadPool.make() without a module finds its own worker in what deno cache has fetched", async () => {
  const server = serve();
  const host = `127.0.0.1:${server.addr.port}`;
  const folder = await Deno.makeTempDir();
  const common = ["--quiet", "--no-lock", `--allow-import=${host}`];
  try {
    await Deno.writeTextFile(`${folder}/program.ts`, cached(`http://${host}`));
    assertEquals(await deno(folder, "cache", ...common, "program.ts"), [0, "", ""]);
    await server.shutdown(); // as in a container without a network
    const run = ["run", "--no-prompt", "--cached-only", "--allow-read"];
    assertEquals(await deno(folder, ...run, ...common, "program.ts"), [0, "2\n", ""]);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});

/** The library's own files, and nothing else, as they are published. */
async function serveSource(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname !== "/mod.ts" && !pathname.startsWith("/lib/")) {
    return new Response(null, { status: 404 });
  }
  const source = await Deno.readTextFile(new URL(`.${pathname}`, root));
  return new Response(source, { headers: { "content-type": "application/typescript" } });
}
