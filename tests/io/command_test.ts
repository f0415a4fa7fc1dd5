import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  Event,
  fromPromise,
  main,
  type Operation,
  protect,
  scope,
  spawn,
  Timeout,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { type Child, commandOutput, withCommand } from "@weft/weft/io";
import { hostTurn } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";

const ignore = Deno.build.os === "windows"; // the commands are of a Unix shell
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore, fn });
}

/** Runs a script of the shell. */
function shell<T>(
  script: string,
  body: (child: Child) => Operation<T>,
  options: { graceMs?: number; stderr?: "piped" } = {},
) {
  return withCommand("sh", { args: ["-c", script], ...options }, body);
}

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

test("withCommand(): pipes in and out, and the status", async () => {
  await main(() =>
    shell("cat; echo oops >&2; exit 3", function* (child) {
      assert(child.pid > 0);
      yield* child.stdin.outputLine("hello");
      yield* child.stdin.close();
      assertEquals(yield* child.stdout.inputAllText(), "hello\n");
      assertEquals(yield* child.stderr.inputAllText(), "oops\n");
      assertEquals((yield* child.status).code, 3);
      assertEquals((yield* child.status).success, false); // as often as you like
    }, { stderr: "piped" })
  );
});

test("withCommand() returns when the child has ended, whom it tells that there is no more", async () => {
  let pid = 0;
  const line = await main(() =>
    shell("cat; sleep 0.02", function* (child) {
      pid = child.pid;
      yield* child.stdin.outputLine("unflushed");
      return "value";
    })
  );
  assertEquals(line, "value");
  assertEquals(isAlive(pid), false);
});

test("withCommand(): a child that goes on writing what nobody reads ends with its body", async () => {
  await main(() => shell("yes", (child) => child.stdout.readLine()));
});

test("withCommand(): an abort ends the child with SIGTERM, and waits for it", async () => {
  let status: Deno.CommandStatus | undefined;
  let ready = false;
  const program = main(() =>
    shell(
      "trap 'sleep 0.02; exit 7' TERM; echo ready; while :; do sleep 0.01; done",
      function* (child) {
        (async () => status = await child.status)();
        yield* child.stdout.readLine();
        ready = true;
        yield* Event.never();
      },
    )
  );
  while (!ready) await hostTurn();
  await program.abort();
  assertEquals(status?.code, 7);
});

test("withCommand({ graceMs }): a child that ignores SIGTERM is killed", async () => {
  let status: Deno.CommandStatus | undefined;
  let ready = false;
  const program = main(() =>
    shell("trap '' TERM; echo ready; while :; do sleep 0.01; done", function* (child) {
      (async () => status = await child.status)();
      yield* child.stdout.readLine();
      ready = true;
      yield* Event.never();
    }, { graceMs: 5 })
  );
  while (!ready) await hostTurn();
  await program.abort();
  assertEquals(status?.signal, "SIGKILL");
});

test("withCommand(): a body that fails ends the child", async () => {
  const boom = new Error("body");
  let pid = 0;
  const error = await main(() =>
    errorOf(shell("sleep 60", function* (child) {
      pid = child.pid;
      throw boom;
    }))
  );
  assertEquals(error, boom);
  assertEquals(isAlive(pid), false);
});

test("withCommand(): an abort while it waits for the child to end, too", async () => {
  let pid = 0;
  const program = main(() =>
    shell("exec sleep 60", function* (child) {
      pid = child.pid;
      yield* yieldNow();
    })
  );
  while (pid === 0) await hostTurn();
  await hostTurn();
  await program.abort();
  assertEquals(isAlive(pid), false);
});

test("withCommand() aborted at every stage leaves no process and no pipe", async () => {
  for (let turns = 0; turns < 15; turns++) {
    let pid = 0;
    const program = main(() =>
      shell("cat", function* (child) {
        pid = child.pid;
        for (let n = 0; n < 3; n++) {
          yield* child.stdin.outputLine(`${n}`);
          yield* child.stdin.flush();
          yield* child.stdout.readLine();
        }
        yield* child.stdin.close();
        yield* child.status;
      })
    );
    for (let turn = 0; turn < turns; turn++) await hostTurn();
    await program.abort();
    if (pid > 0) assertEquals(isAlive(pid), false);
  }
});

test("Child.kill() sends a signal, and does nothing when the child has ended", async () => {
  await main(() =>
    shell("exec sleep 60", function* (child) {
      child.kill("SIGINT");
      assertEquals((yield* child.status).signal, "SIGINT");
      child.kill();
    })
  );
});

test("Child: a pipe that isn't one says how to get it", async () => {
  await main(() =>
    withCommand("true", { stdin: "null", stdout: "null" }, function* (child) {
      assertThrows(() => child.stdin, TypeError, "Cannot use the child's stdin: it is not piped");
      assertThrows(() => child.stdout, TypeError, 'pass stdout: "piped"');
      assertThrows(() => child.stderr, TypeError, 'pass stderr: "piped"');
      yield* yieldNow();
    })
  );
});

test("commandOutput() gives the input, and collects the output and the status", async () => {
  const input = "b\na\n";
  const output = await main(() =>
    commandOutput("sh", { args: ["-c", "sort; echo warning >&2; exit 2"], input })
  );
  assertEquals([text(output.stdout), text(output.stderr)], ["a\nb\n", "warning\n"]);
  assertEquals([output.code, output.success, output.signal], [2, false, null]);
});

test("commandOutput(): a child need not read its input, and may be slow with much of it", async () => {
  const input = "x".repeat(1 << 20);
  const none = await commandOutput("true", { input });
  assertEquals(none.success, true);
  const all = await commandOutput("cat", { input });
  assertEquals(all.stdout.length, input.length);
});

test("commandOutput() that is aborted ends the child", async () => {
  const program = main(() => commandOutput("sleep", { args: ["60"] }));
  await hostTurn();
  await program.abort();
});

test("a failed command is told from a missing one", async () => {
  const error = await main(() => errorOf(commandOutput("no-such-command-anywhere")));
  assertInstanceOf(error, Deno.errors.NotFound);
  assertEquals((await commandOutput("false")).code, 1);
});

const flood = "x".repeat(1 << 20); // more than a pipe holds

test("withCommand(): an abort while it closes the stdin of a child that doesn't read ends the child", async () => {
  const started = performance.now();
  const error = await main(() =>
    errorOf(withTimeout(50, () =>
      shell("exec sleep 60", function* (child) {
        yield* child.stdin.outputString(flood);
      })))
  );
  assertInstanceOf(error, Timeout);
  assert(performance.now() - started < 900);
});

test("commandOutput(): an abort while a child doesn't read its input ends the child", async () => {
  const input = "x".repeat(200_000);
  const started = performance.now();
  const error = await main(() =>
    errorOf(withTimeout(50, () => commandOutput("sleep", { args: ["60"], input })))
  );
  assertInstanceOf(error, Timeout);
  assert(performance.now() - started < 900);
});

test("withCommand(): a body that closes the stdin of a child that doesn't read can be aborted", async () => {
  let pid = 0;
  const error = await main(() =>
    errorOf(withTimeout(20, () =>
      shell("exec sleep 60", function* (child) {
        pid = child.pid;
        yield* child.stdin.outputString(flood);
        yield* child.stdin.close();
      })))
  );
  assertInstanceOf(error, Timeout);
  assertEquals(isAlive(pid), false);
});

test("withCommand(): an aborted body may still tell the child, and close its stdin", async () => {
  const path = await Deno.makeTempFile();
  try {
    await main(() =>
      errorOf(withTimeout(20, () =>
        shell(`trap '' TERM; cat > ${path}`, function* (child) {
          try {
            yield* Event.never();
          } finally {
            yield* protect(() => child.stdin.outputLine("quit"));
            yield* child.stdin.close();
          }
        })))
    );
    assertEquals(await Deno.readTextFile(path), "quit\n");
  } finally {
    await Deno.remove(path);
  }
});

/** How a child has ended that runs on when its body has returned, and after how many milliseconds. */
async function leave(script: string, graceMs: number): Promise<[Deno.CommandStatus, number]> {
  let running: Child | undefined;
  let started = 0;
  const value = await main(() =>
    shell(script, function* (child) {
      running = child;
      yield* child.stdout.readLine(); // it is ready
      started = performance.now();
      return "value";
    }, { graceMs })
  );
  const ms = performance.now() - started;
  assertEquals(value, "value");
  assertEquals(isAlive(running!.pid), false);
  return [await running!.status, ms];
}

test("withCommand(): a child that runs on when its body has returned has graceMs, then gets SIGTERM", async () => {
  const [{ signal }, ms] = await leave("echo; exec sleep 60", 50);
  assertEquals(signal, "SIGTERM");
  assert(ms >= 49, `${ms} ms`);
});

test("withCommand(): one that ignores that has graceMs once more, then gets SIGKILL", async () => {
  const [{ signal }, ms] = await leave("trap '' TERM; echo; while :; do sleep 0.01; done", 30);
  assertEquals(signal, "SIGKILL");
  assert(ms >= 59, `${ms} ms`);
});

test("withCommand(): one that ends by itself, as its stdin has ended, gets no signal", async () => {
  const [{ code }] = await leave("trap 'exit 9' TERM; echo; cat; sleep 0.02; exit 5", 60_000);
  assertEquals(code, 5);
});

test("withCommand(): a child that doesn't read holds up nobody, whatever is on its way to it", async () => {
  for (const close of [false, true]) {
    let pid = 0;
    await main(() =>
      shell("exec sleep 60", function* (child) {
        pid = child.pid;
        yield* child.stdin.outputString(flood);
        if (close) void child.stdin.close().then(() => {}, () => {}); // and nobody waits for that
      }, { graceMs: 20 })
    );
    assertEquals(isAlive(pid), false);
  }
});

test("law 12: withCommand() that is left in a fiber that is aborting ends the child all the same", async () => {
  let pid = 0;
  const program = main(function* () {
    try {
      yield* Event.never();
    } finally {
      yield* protect(() =>
        shell("echo; exec sleep 60", function* (child) {
          pid = child.pid;
          yield* child.stdout.readLine();
        }, { graceMs: 5 })
      );
    }
  });
  await hostTurn();
  await program.abort();
  assert(pid > 0);
  assertEquals(isAlive(pid), false);
});

test("withCommand() aborted at every stage of its end leaves no process and no pipe", async () => {
  for (let turns = 0; turns < 12; turns++) {
    let pid = 0;
    const left = Promise.withResolvers<void>();
    const program = main(() =>
      shell("trap '' TERM; echo; cat; exec sleep 60", function* (child) {
        pid = child.pid;
        yield* child.stdout.readLine();
        left.resolve();
      }, { graceMs: turns % 3 })
    );
    await left.promise;
    for (let turn = 0; turn < turns; turn++) await hostTurn();
    await program.abort();
    assertEquals(isAlive(pid), false);
  }
});

test("withCommand(): an aborted body that protects a read of a child that doesn't end comes to its end", async () => {
  let pid = 0;
  const started = performance.now();
  const error = await main(() =>
    errorOf(
      withTimeout(20, () =>
        shell("trap '' TERM; while :; do sleep 0.01; done", function* (child) {
          pid = child.pid;
          try {
            yield* Event.never();
          } finally {
            yield* protect(() => child.stdout.inputAll());
          }
        }, { graceMs: 20 })),
    )
  );
  assertInstanceOf(error, Timeout);
  assertEquals(isAlive(pid), false);
  assert(performance.now() - started >= 1020); // a second for the clean-up, and the child's grace
});

/** Runs `body` with a child that has ended, and left behind one of its own that has its pipes. */
async function withOrphan(body: (child: Child, pid: number) => Operation<void>): Promise<void> {
  let orphan = 0;
  try {
    await main(() =>
      shell("exec 3<&0; sleep 60 <&3 & echo $!", function* (child) {
        orphan = Number((yield* child.stdout.readLine())!.value);
        yield* child.status;
        yield* body(child, orphan);
      }, { stderr: "piped" })
    );
    assertEquals(isAlive(orphan), true); // it isn't ours to end
  } finally {
    if (orphan > 0) Deno.kill(orphan, "SIGKILL");
  }
}

test("withCommand() doesn't wait for what the child has left behind with its pipes", async () => {
  await withOrphan(() => yieldNow());
  await withOrphan(function* (child) {
    yield* child.stdin.outputString(flood); // which nobody reads
  });
  await withOrphan(function* (child) {
    yield* child.stdin.outputString(flood);
    yield* fromPromise(hostTurn()); // a part of it is on its way
  });
  await withOrphan(function* (child) {
    const error = yield* errorOf(withTimeout(5, () => child.stdout.inputAll()));
    assertInstanceOf(error, Timeout); // a read is under way
  });
  await withOrphan(function* (child) {
    void child.stderr.inputAll().then(() => {}, () => {}); // somebody else's, who isn't waited for
    yield* yieldNow();
  });
});

test("commandOutput() waits for what the child has left behind with its pipes", async () => {
  const { stdout } = await commandOutput("sh", {
    args: ["-c", "(sleep 0.02; echo late) & echo early"],
  });
  assertEquals(text(stdout), "early\nlate\n");
});

test("commandOutput(): an abort ends that wait, too", async () => {
  const path = await Deno.makeTempFile();
  try {
    const script = `sleep 60 & echo $! > ${path}`;
    const error = await main(() =>
      errorOf(withTimeout(50, () => commandOutput("sh", { args: ["-c", script] })))
    );
    assertInstanceOf(error, Timeout);
  } finally {
    Deno.kill(Number(await Deno.readTextFile(path)), "SIGKILL");
    await Deno.remove(path);
  }
});

test("withCommand() in a fiber of its own: a failure beside it ends it", async () => {
  let pid = 0;
  const boom = new Error("sibling");
  const error = await main(() =>
    errorOf(scope(function* () {
      spawn(() =>
        shell("exec sleep 60", function* (child) {
          pid = child.pid;
          yield* Event.never();
        })
      );
      while (pid === 0) yield* fromPromise(hostTurn());
      throw boom;
    }))
  );
  assertEquals(error, boom);
  assertEquals(isAlive(pid), false);
});

test("withCommand(): a stream that is asked for as undefined is one that isn't asked for", async () => {
  const piped = { stdin: undefined, stdout: undefined } as never;
  const text = await main(() =>
    withCommand("cat", piped, function* (child) {
      yield* child.stdin.outputString("hello");
      yield* child.stdin.close();
      return yield* child.stdout.inputAllText();
    })
  );
  assertEquals(text, "hello");
});

Deno.test("withCommand() and commandOutput() say what is wrong with their arguments", () => {
  assertThrows(() => commandOutput(1 as never), TypeError, "program must be a string or a URL");
  assertThrows(() => commandOutput("x", { input: 1 as never }), TypeError, "input must be a");
  assertThrows(() => commandOutput("x", { graceMs: NaN }), RangeError, "graceMs must not be NaN");
  for (
    const [options, message] of [
      [{ args: "-l" }, 'args must be an array of strings, got "-l"'],
      [{ args: [5] }, "args must be an array of strings, got an array of 1"],
      [{ cwd: 5 }, "cwd must be a string or a URL, got 5"],
      [{ env: { HOME: 5 } }, "env must be an object of strings, got an Object"],
      [{ stdin: "pipe" }, 'stdin must be "piped" or "inherit" or "null", got "pipe"'],
      [{ signal: AbortSignal.abort() }, "signal must not be given; use withAbortSignal"],
    ] as const
  ) {
    assertThrows(() => withCommand("x", options as never, () => yieldNow()), TypeError, message);
  }
  const own = { stdout: "inherit" } as never;
  assertThrows(() => commandOutput("x", own), TypeError, "stdout must not be given; all of it is");
  assertThrows(() => withCommand("x", {}, 1 as never), TypeError, "body must be a function");
});
