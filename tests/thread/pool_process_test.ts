/** How programs with pools end, and what they cost while they wait: processes of their own. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runScript, startScript } from "../kit/scripts.ts";

const script = (name: string) => new URL(`scripts/${name}.ts`, import.meta.url);

Deno.test("a pool that nobody closes lets the program end, and runs atExit", async () => {
  const { code, stdout, stderr } = await runScript(script("pool_forgotten"), "--allow-read");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout, "ran\natExit\natExit\n");
});

Deno.test("law 13: what atExit throws at the end of the program is reported", async () => {
  const { code, stderr } = await runScript(script("pool_exit_fails"), "--allow-read");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "RangeError: in atExit");
});

for (const graceMs of [undefined, "0", "60000", "Infinity"]) {
  Deno.test(`T42: a stuck thread doesn't hold up the end of the program (graceMs ${graceMs})`, async () => {
    await using running = startScript(
      script("pool_stuck"),
      "--allow-read",
      ...graceMs === undefined ? [] : ["--", graceMs],
    );
    const { code, stdout, stderr } = await running.ended; // the kit would kill it after a while
    assertEquals([code, stdout], [0, "ran\nmain ended\n"]);
    assertStringIncludes(stderr, 'task "stuckForever" was aborted and has not ended');
  });
}

for (const task of ["spin", "patient", "stuckForever"]) {
  Deno.test(`T44: Ctrl-C ends a program whose threads are all busy (${task})`, async () => {
    await using running = startScript(script("pool_signal"), "--allow-read", "--", task);
    await running.wrote("ready");
    running.kill("SIGINT");
    const { code, stdout } = await running.ended;
    assertEquals([code, stdout], [130, "ready\nclosed\n"]);
  });
}

Deno.test("an idle pool uses no processor", async () => {
  const { code, stdout, stderr } = await runScript(script("pool_idle"), "--allow-all");
  assertEquals([code, stderr], [0, ""]);
  assert(Number(stdout) <= 100, `${stdout} ms of 2000 ms`); // polling would use all of it
});

Deno.test("T38: main never dies of a worker's error, and says what it was", async () => {
  const { code, stdout, stderr } = await runScript(script("pool_crashes"), "--allow-read");
  assertEquals([code, stdout], [0, "throw\nexit\nclose\n"]);
  assertStringIncludes(stderr, "died of an error outside of a task");
  assertStringIncludes(stderr, "while idle");
  assertStringIncludes(stderr, "ended by itself");
});

Deno.test("T48: a crash loop doesn't keep the program alive", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using running = startScript(
      script("pool_doomed"),
      "--allow-read",
      "--allow-write",
      "--",
      `${folder}/started`,
    );
    const { code, stdout } = await running.ended;
    assertEquals([code, stdout], [0, "ThreadCrashedError\ntrue\n"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("law 11: an idle pool doesn't hide that the program is stuck", async () => {
  const { code, stdout, stderr } = await runScript(script("pool_deadlock"), "--allow-read");
  assertEquals([code, stdout], [1, "ran\n"]);
  assertStringIncludes(stderr, "Deadlock: Nothing can ever wake the fibers that are left");
});
