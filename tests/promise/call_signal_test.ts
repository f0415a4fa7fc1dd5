/** How long the signal lives that `fromPromise` gives to the function that makes the promise. */
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  Abort,
  type Awaitable,
  cancelScope,
  Event,
  Fiber,
  fromPromise,
  main,
  protect,
  scope,
  spawn,
  Timeout,
  using,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { reasonOf } from "../kit/results.ts";
import { Thenable } from "../kit/source.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

/** A call that settles with `value` at once; its signal is put into `signals`. */
function call<T>(signals: AbortSignal[], value: T): Awaitable<T> {
  return fromPromise((signal) => {
    signals.push(signal);
    const promise = new Thenable<T>();
    promise.resolve(value);
    return promise;
  });
}

const abortedOf = (signals: readonly AbortSignal[]) => signals.map(({ aborted }) => aborted);

Deno.test("fromPromise(): its signal is aborted with the innermost context, though the promise has settled", () => {
  const ends: Record<string, (context: { cancel(reason: unknown): void }) => void> = {
    "a cancelled scope": (context) => context.cancel("over"),
    "an aborted fiber": () => void Fiber.current().abort("over"),
  };
  for (const [name, end] of Object.entries(ends)) {
    for (const settled of ["resolve", "reject"] as const) {
      virtually(function* () {
        const signals: AbortSignal[] = [];
        const fiber = yield* waiting(cancelScope(function* (context) {
          const promise = new Thenable<number>();
          promise[settled](1);
          yield* errorOf(fromPromise((signal) => {
            signals.push(signal);
            return promise;
          }));
          yield* yieldNow();
          assertEquals(abortedOf(signals), [false], name);
          end(context);
          assertEquals(abortedOf(signals), [true], `${name}: at the call`);
          yield* yieldNow();
        }));
        yield* fiber.join();
        const { reason } = signals[0]!;
        assertInstanceOf(reason, Abort);
        assertEquals(reason.cause, "over");
      });
    }
  }
});

Deno.test("fromPromise(): its signal is left alone when the innermost context ends well", () => {
  virtually(function* () {
    const signals: AbortSignal[] = [];
    const fiber = yield* waiting(cancelScope(function* () {
      for (const open of [scope, protect]) yield* open(() => call(signals, 1));
      yield* withTimeout(10, () => call(signals, 1));
      yield* spawn(() => call(signals, 1));
      yield* Event.never();
    }));
    yield* settle();
    yield* fiber.abort("what is around them");
    assertEquals(abortedOf(signals), [false, false, false, false]);
  });
});

Deno.test("fromPromise(): a deadline aborts the signals of all that has settled within, in order", () => {
  virtually(function* () {
    const signals: AbortSignal[] = [];
    const log: number[] = [];
    const error = yield* errorOf(withTimeout(10, function* () {
      for (let n = 0; n < 200; n++) {
        yield* call(signals, n);
        signals[n]!.addEventListener("abort", () => log.push(n));
      }
      yield* Event.never();
    }));
    assertInstanceOf(error, Timeout);
    assertEquals(log, Array.from({ length: 200 }, (_, n) => n));
    assertEquals(new Set(signals).size, 200); // to each its own
  });
});

Deno.test("law 2: fromPromise(): its signal is aborted when the context fails, be it alone or not", () => {
  virtually(function* () {
    for (const hasKid of [false, true]) {
      const signals: AbortSignal[] = [];
      const boom = new Error("body");
      const body = function* () {
        if (hasKid) spawn(() => Event.never());
        yield* call(signals, 1);
        throw boom;
      };
      assertStrictEquals(yield* errorOf(scope(body)), boom);
      const fiber = spawn(body, { propagateCancelToParent: false });
      assertEquals(yield* fiber.join(), { ok: false, error: boom });
      assertEquals(abortedOf(signals), [true, true]);
      for (const { reason } of signals) assertStrictEquals(reason.cause, boom);
    }
  });
});

Deno.test("law 2: Fiber.signal and Scope.signal are aborted when the body fails, be it alone or not", () => {
  virtually(function* () {
    for (const hasKid of [false, true]) {
      const signals: AbortSignal[] = [];
      const boom = new Error("body");
      const body = function* (context: { readonly signal: AbortSignal }) {
        signals.push(context.signal);
        if (hasKid) spawn(() => Event.never());
        throw boom;
      };
      assertStrictEquals(yield* errorOf(scope(body)), boom);
      yield* spawn(() => body(Fiber.current()), { propagateCancelToParent: false }).join();
      assertEquals(abortedOf(signals), [true, true]);
      for (const { reason } of signals) assertStrictEquals(reason.cause, boom);
    }
  });
});

Deno.test("law 4: fromPromise(): what an abort spared is stopped when the body then fails", () => {
  virtually(function* () {
    const signals: AbortSignal[] = [];
    const promise = new Thenable<string>();
    const fiber = spawn(function* () {
      yield* fromPromise((signal) => {
        signals.push(signal);
        return promise;
      });
      throw new Error("body");
    }, { propagateCancelToParent: false });
    yield* settle();
    promise.resolve("it");
    fiber.abort();
    assertEquals(abortedOf(signals), [false]);
    yield* fiber.join();
    assertEquals(abortedOf(signals), [true]);
  });
});

Deno.test("fromPromise(): out of reach of an abort, its signal is, too", () => {
  virtually(function* () {
    const signals: AbortSignal[] = [];
    const fiber = yield* waiting(protect(function* () {
      yield* call(signals, 1);
      Fiber.current().abort();
      yield* yieldNow();
      assertEquals(abortedOf(signals), [false]);
    }));
    yield* fiber.join();
  });
});

Deno.test("law 3, law 4: fromPromise(): an abort that came too late for the wait spares what it gave", () => {
  virtually(function* () {
    for (const goesOn of [false, true]) {
      const signals: AbortSignal[] = [];
      const promise = new Thenable<string>();
      const fiber = spawn(function* () {
        const value = yield* fromPromise((signal) => {
          signals.push(signal);
          return promise;
        });
        assertEquals(abortedOf(signals), [false]);
        if (goesOn) yield* yieldNow();
        return value;
      });
      yield* settle();
      promise.resolve("it");
      fiber.abort("too late");
      const result = yield* fiber.join();
      // The abort reached who went on, and nobody otherwise.
      assertEquals(
        goesOn ? reasonOf(result) : result,
        goesOn ? "too late" : {
          ok: true,
          value: "it",
        },
      );
      assertEquals(abortedOf(signals), [goesOn]);
    }
  });
});

Deno.test("fromPromise(): what its signal's listeners throw is reported, and the others are told", async () => {
  await main(function* () {
    const signals: AbortSignal[] = [];
    const errors: unknown[] = [];
    const listener = (event: ErrorEvent) => {
      event.preventDefault();
      errors.push(event.error);
    };
    globalThis.addEventListener("error", listener);
    const boom = new Error("listener");
    yield* cancelScope(function* (context) {
      for (const _ of [1, 2]) yield* call(signals, 1);
      signals[0]!.addEventListener("abort", () => {
        throw boom;
      });
      context.cancel();
      yield* yieldNow();
    });
    yield* fromPromise(hostTurn());
    globalThis.removeEventListener("error", listener);
    assertEquals([abortedOf(signals), errors], [[true, true], [boom]]);
  });
});

Deno.test("fromPromise(): a wait that is given up alone aborts its signal, unless somebody takes the value", () => {
  virtually(function* () {
    const signals: AbortSignal[] = [];
    const late: number[] = [];
    const pending = fromPromise((signal) => {
      signals.push(signal);
      return new Thenable<number>();
    });
    const dropped = pending[Symbol.iterator]();
    dropped.next();
    dropped.return?.();
    assertEquals(abortedOf(signals), [true]);
    for (const options of [undefined, { onLate: (value: number) => void late.push(value) }]) {
      const promise = new Thenable<number>();
      const settled = fromPromise((signal) => {
        signals.push(signal);
        return promise;
      }, options)[Symbol.iterator]();
      settled.next();
      promise.resolve(7);
      settled.return?.();
    }
    assertEquals([abortedOf(signals), late], [[true, true, false], [7]]);
    yield* yieldNow();
  });
});

Deno.test("fromPromise(): awaited, its signal is nobody's, and never aborted", async () => {
  const signals: AbortSignal[] = [];
  const handle = main(function* () {
    yield* fromPromise((async () => {
      await call(signals, 1);
    })());
    yield* Event.never();
  });
  for (let turn = 0; turn < 3; turn++) await hostTurn();
  await handle.abort();
  assertEquals(abortedOf(signals), [false]);
});

Deno.test("world 5: fromPromise(): its signal dies with the wait, as nobody here knows what is around it", () => {
  const signals: AbortSignal[] = [];
  let releases = 0;
  /** Of a scheduler that leaves its generators where they wait. */
  function* suspend(): Generator<undefined, void> {
    yield;
  }
  using({
    prepareForAwait: () => ({ release: () => releases++, await: () => suspend() as never }),
    whileRunning() {
      for (const promise of [new Thenable<number>(), new Thenable<number>()]) {
        const wait = fromPromise((signal) => {
          signals.push(signal);
          return promise;
        })[Symbol.iterator]();
        wait.next();
        if (signals.length === 1) promise.resolve(1);
        else wait.return?.();
      }
    },
  });
  assertEquals([abortedOf(signals), releases], [[false, true], 1]);
});

// With fetch -------------------------------------------------------------------------------------

/** A server that sends its headers and the first bytes, and then no more; and when it is left. */
function stallingServer() {
  const left: Promise<void>[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    left.push(promise);
    const start = (body: ReadableStreamDefaultController) => body.enqueue(new Uint8Array(3));
    return new Response(new ReadableStream({ start, cancel: () => resolve() }));
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, left, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** The ways to read a body, each up to where it stalls. */
const reading: Record<string, (response: Response) => Promise<unknown>> = {
  "text()": (response) => response.text(),
  "a reader": async ({ body }) => {
    const reader = body!.getReader();
    while (!(await reader.read()).done);
  },
  "for await": async ({ body }) => {
    for await (const _ of body!);
  },
  "pipeTo()": ({ body }) => body!.pipeTo(new WritableStream()),
};

for (const [name, read] of Object.entries(reading)) {
  Deno.test(`fromPromise() with fetch: ${name} of a body that stalls ends with the scope, and so does the request`, async () => {
    await using server = stallingServer();
    let ended: Promise<string> | undefined;
    await main(() =>
      cancelScope(function* (context) {
        const response = yield* fromPromise((signal) => fetch(server.url, { signal }));
        assert(response.ok);
        ended = read(response).then(() => "whole", (error) => error.name);
        spawn(function* () {
          yield* fromPromise(hostTurn());
          context.cancel("too slow");
        });
        yield* fromPromise(ended);
      })
    );
    assertEquals(await ended, "AbortError");
    assertEquals(server.left.length, 1);
    await server.left[0]; // it has heard of it
  });
}

Deno.test("fromPromise() with fetch: a response may leave its scope, and be read outside of it", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("all of it"),
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const text = await main(function* () {
    const get = () => fromPromise((signal) => fetch(url, { signal }));
    const response = yield* withTimeout(60_000, get);
    return yield* fromPromise(response.text());
  });
  assertEquals(text, "all of it");
});
