/**
 * Leaving never hangs: whatever ends something comes to an end itself, though the other side doesn't
 * do its part. All that can be closed, or runs a body with something that it then closes, is here.
 */
import { assertEquals } from "@std/assert";
import { fromPromise, type Main, main, protect } from "@weft/weft";
import * as io from "@weft/weft/io";
import * as thread from "@weft/weft/thread";
import { hostTurn, warningsDuring } from "./kit/uncaught.ts";

const { HttpServer, Input, Output, TcpClient, TcpServer } = io;

/** Begins something that is stuck, calls `leaving` when it is about to be ended, and ends it. */
type Leaving = (leaving: () => void) => Main<unknown>;

interface Case {
  readonly leave: Leaving;
  /** What ends it, if it doesn't end by itself, since what was written may take its time. */
  readonly ends?: "aborted" | "discarded";
}

const local = { hostname: "127.0.0.1", port: 0 };
const flood = new Uint8Array(1 << 23); // more than sockets and pipes hold

/** For when the test is over. */
const cleanUps: (() => unknown)[] = [];

/** A peer that neither reads nor goes away. */
async function connect(port: number, text: string): Promise<void> {
  const conn = await Deno.connect({ ...local, port });
  cleanUps.push(() => conn.close());
  await conn.write(new TextEncoder().encode(text));
}

/** The output that is stuck, for who discards it. */
let stuck = Output.dummy();

const cases: Record<string, Case> = {
  ThreadPool: {
    leave: (leaving) =>
      main(function* () {
        const atExit = () => new Promise<void>(() => {});
        const pool = yield* thread.ThreadPool.make({ size: 1, graceMs: 1, atExit });
        cleanUps.push(() => pool.close()); // it goes on when the wait for it was aborted
        leaving();
        yield* pool.close();
      }),
  },
  TcpServer: {
    leave: (leaving) =>
      main(function* () {
        const server = yield* TcpServer.establish(local, function* (_peer, input, output) {
          yield* input.readLine();
          yield* protect(() => output.output(flood));
          yield* protect(() => output.flush());
        });
        yield* fromPromise(connect(server.address.port, "go\n"));
        leaving();
        yield* server.shutdown({ graceMs: 1 });
      }),
  },
  HttpServer: {
    leave: (leaving) =>
      main(function* () {
        const server = yield* HttpServer.establish(local, function* (request) {
          yield* fromPromise(request.text());
          return new Response(flood);
        });
        const { port } = server.address;
        const head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n";
        yield* fromPromise(connect(port, `${head}1`)); // the rest never comes
        yield* fromPromise(connect(port, `${head}12`)); // the response is never read
        while (server.statistics().accepted < 2) yield* fromPromise(hostTurn());
        leaving();
        yield* server.shutdown({ graceMs: 1 });
      }),
  },
  TcpClient: {
    ends: "aborted",
    leave: (leaving) =>
      main(function* () {
        const listener = Deno.listen(local);
        const { port } = listener.addr as Deno.NetAddr;
        cleanUps.push(() => listener.close());
        yield* TcpClient.withConnect({ ...local, port }, function* (_input, output) {
          yield* output.output(flood);
          leaving();
        });
      }),
  },
  Input: {
    leave: (leaving) =>
      main(function* () {
        const input = Input.fromReadable(new ReadableStream());
        void input.inputAll().then(() => {}, () => {}); // a read is under way
        yield* fromPromise(hostTurn());
        leaving();
        yield* input.close();
      }),
  },
  Output: {
    ends: "discarded",
    leave: (leaving) =>
      main(function* () {
        const stream = new WritableStream({ write: () => new Promise(() => {}) });
        stuck = Output.fromWritable(stream);
        yield* stuck.output(flood);
        leaving();
        yield* stuck.close();
      }),
  },
  withCommand: {
    leave: (leaving) => {
      const args = ["-c", "trap '' TERM; echo; while :; do sleep 0.01; done"];
      return main(() =>
        io.withCommand("sh", { args, graceMs: 5 }, function* (child) {
          yield* child.stdout.readLine();
          yield* child.stdin.output(flood);
          leaving();
        })
      );
    },
  },
  withSignals: {
    leave: (leaving) =>
      main(() =>
        io.withSignals(["SIGHUP"], function* () {
          yield* fromPromise(hostTurn());
          leaving();
        })
      ),
  },
  withWatch: {
    leave: (leaving) =>
      main(() =>
        io.withWatch(".", function* () {
          yield* fromPromise(hostTurn());
          leaving();
        }, { recursive: false })
      ),
  },
};

Deno.test("leaving: whatever can be closed or runs a body with something is in the table", () => {
  const doors = Object.entries({ ...io, ...thread }) as [string, unknown][];
  const ends = doors.filter(([name, value]) => {
    if (name.startsWith("with")) return true;
    if (typeof value === "function") return Symbol.asyncDispose in Object(value.prototype);
    return Object.keys(Object(value)).some((method) => method.startsWith("with"));
  });
  const names = ends.map(([name]) => name).filter((name) => name !== "webWorkerThreads");
  assertEquals(names.sort(), Object.keys(cases).sort());
});

/** How long a machine that is busy may take for what takes a second. */
const PATIENCE_MS = 30_000;

async function endsInTime(program: PromiseLike<unknown>, what: string): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(resolve, PATIENCE_MS, "late");
  const ended = program.then(() => "ended", () => "ended");
  try {
    assertEquals(await Promise.race([ended, late]), "ended", what);
  } finally {
    clearTimeout(timer);
  }
}

for (const [name, { leave, ends }] of Object.entries(cases)) {
  for (const how of ["by itself", "aborted"]) {
    const ignore = name === "withCommand" && Deno.build.os === "windows"; // it is of a Unix shell
    Deno.test({ name: `leaving: ${name} comes to its end (${how})`, ignore }, async () => {
      await warningsDuring(async () => {
        const left = Promise.withResolvers<void>();
        const program = leave(left.resolve);
        await left.promise;
        for (let turn = 0; turn < 3; turn++) await hostTurn();
        if (ends === "discarded") stuck.discard();
        const aborted = how === "aborted" || ends === "aborted" ? program.abort() : undefined;
        await endsInTime(program, "it hangs");
        if (aborted !== undefined) await endsInTime(aborted, "its abort hangs");
        for (const cleanUp of cleanUps.splice(0)) await cleanUp();
      });
      for (let turn = 0; turn < 3; turn++) await hostTurn();
    });
  }
}
