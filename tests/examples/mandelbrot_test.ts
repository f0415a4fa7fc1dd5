/** The renderer, as a program of its own. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Ended, runScript, startScript } from "../kit/scripts.ts";

const program = new URL("../../examples/mandelbrot.ts", import.meta.url);
const flags = ["--allow-read", "--allow-write", "--"];

function draw(...args: string[]): Promise<Ended> {
  return runScript(program, ...flags, ...args);
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What the header of a PNG says. */
async function sizeOf(file: string): Promise<[width: number, height: number]> {
  const bytes = await Deno.readFile(file);
  assertEquals(bytes.subarray(1, 4), new TextEncoder().encode("PNG"));
  const view = new DataView(bytes.buffer);
  return [view.getUint32(16), view.getUint32(20)];
}

Deno.test("examples/mandelbrot draws as wide as it is told to, and two thirds as high unless it is told", async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/small.png`;
    const small = await draw("--threads", "1", "--width", "60", file);
    assertEquals([small.code, small.stderr], [0, ""]);
    assertEquals(await sizeOf(file), [60, 40]);
    assertMatch(small.stdout, /small\.png: 60 x 40 with 1 thread, /);
    assertEquals((await draw("--width", "60", "--height", "20", file)).code, 0); // over the other
    assertEquals(await sizeOf(file), [60, 20]);
  });
});

Deno.test("examples/mandelbrot counts the processors that were there, not the threads that waited for them", async () => {
  await inFolder(async (folder) => {
    const cores = navigator.hardwareConcurrency;
    const threads = `${4 * cores}`;
    const { stdout } = await draw("--threads", threads, "--width", "900", `${folder}/a.png`);
    const atWork = Number(/([\d.]+) processors at work/.exec(stdout)?.[1]);
    assert(atWork > 0 && atWork <= 1.1 * cores, stdout);
  });
});

Deno.test("examples/mandelbrot says in one line that it can't write, before it draws, and exits with 1", async () => {
  await inFolder(async (folder) => {
    for (const file of [`${folder}/nowhere/a.png`, folder]) {
      // It would draw for longer than the test has patience.
      const { code, stdout, stderr } = await draw("--width", "90000", file);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^Cannot write .*\n$/);
    }
  });
});

Deno.test("examples/mandelbrot says in one line what is wrong with its arguments, and exits with 2", async () => {
  const mistakes = [["--threads", "none"], ["--width=0"], ["--colour"], ["a.png", "b.png"]];
  await Promise.all(mistakes.map(async (args) => {
    const { code, stdout, stderr } = await draw(...args);
    assertEquals([code, stdout], [2, ""]);
    assertMatch(stderr, /^.+; see --help\n$/);
  }));
});

Deno.test({
  name: "examples/mandelbrot leaves no file when Ctrl-C ends it before the picture is drawn",
  ignore: Deno.build.os === "windows", // it ends by a signal
  fn: () =>
    inFolder(async (folder) => {
      const file = `${folder}/a.png`;
      const changes = Deno.watchFs(folder);
      await using script = startScript(program, ...flags, "--width", "9000", file);
      for await (const { kind } of changes) if (kind === "create") break; // it is at work
      script.kill("SIGINT");
      assertEquals((await script.ended).code, 130);
      assertEquals(Array.from(Deno.readDirSync(folder)), []);
    }),
});
