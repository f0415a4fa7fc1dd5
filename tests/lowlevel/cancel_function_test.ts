import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type Abort,
  any,
  type Awaitable,
  cancelScope,
  Channel,
  Event,
  Fiber,
  fromPromise,
  type Option,
  prepareForAwait,
  protect,
  run,
  scope,
  select,
  sleep,
  spawn,
  when,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { type AnyFiber, block, step, suspend } from "@weft/weft/lowlevel";
import { reasonOf } from "../kit/results.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

/** A wait that ends with `Abort` when it is cancelled. */
function cancellable(onCancel: (error: Abort) => unknown = () => {}): Awaitable<never> {
  return suspend<never>((context, resume) =>
    context.setCancelFn((error) => {
      try {
        return onCancel(error);
      } finally {
        resume({ ok: false, error });
      }
    })
  );
}

const REFUSED = "a cancel function may not switch fibers";

/** Runs `attack` in the cancel function of the first of three fibers that one abort cancels. */
function attacked(attack: (ready: AnyFiber) => unknown): unknown[] {
  const log: string[] = [];
  const reported = uncaughtDuring(() =>
    virtually(function* () {
      const bystander = spawn(function* () {
        for (let turn = 0; turn < 100; turn++) {
          log.push("bystander");
          yield* yieldNow();
        }
      });
      const parent = spawn(function* () {
        spawn(function* () {
          yield* cancellable(() => {
            log.push("attack");
            return attack(bystander);
          });
        });
        for (const name of ["second", "third"]) {
          spawn(function* () {
            try {
              yield* cancellable(() => void log.push(`${name} is cancelled`));
            } finally {
              log.push(`${name} runs`);
            }
          });
        }
        yield* Event.never();
      });
      yield* settle();
      log.length = 0;
      parent.abort();
      log.push("cancelled");
      yield* parent.join();
      yield* bystander;
    })
  );
  const inTheCancel = log.slice(0, log.indexOf("cancelled"));
  assertEquals(inTheCancel, ["attack", "second is cancelled", "third is cancelled"]);
  assertEquals(log.filter((line) => line.endsWith("runs")), ["second runs", "third runs"]);
  return reported;
}

function assertRefused(errors: unknown[]): void {
  assertEquals(errors.length, 1);
  assertInstanceOf(errors[0], Error);
  assertStringIncludes(errors[0].message, REFUSED);
}

function* nothing(): Generator<never, void, unknown> {}

const attacks: [string, (ready: AnyFiber) => unknown][] = [
  ["run()", () => run(nothing)],
  ["step()", (ready) => step(ready)],
  ["spawn()", () => spawn(nothing)],
  ["prepareForAwait()", () => prepareForAwait()],
];

for (const [name, attack] of attacks) {
  Deno.test(`suspend(): a cancel function that calls ${name} is refused with an error`, () => {
    assertRefused(attacked(attack));
  });
}

Deno.test("suspend(): a cancel function that is a generator function is refused with an error", () => {
  let ran = false;
  const errors = attacked(function* () {
    ran = true;
    yield* yieldNow();
  });
  assertEquals(errors.length, 1);
  assertInstanceOf(errors[0], TypeError);
  assertStringIncludes(errors[0].message, "generator function");
  assertEquals(ran, false);
});

const trigger = () => prepareForAwait().await();
const never = new Promise<void>(() => {});

/** Makes an operation on `channel`, whose other side is a rendezvous away, and uses it. */
const operations: [string, (channel: Channel<number>) => Awaitable<unknown>][] = [
  ["Channel.send()", (channel) => channel.send(1)],
  ["Channel.receive()", (channel) => channel.receive()],
  ["Channel.receiveOrThrow()", (channel) => channel.receiveOrThrow()],
  ["an event", (channel) => channel.receiveEvent()],
  ["select()", (channel) => select([when(channel.receiveEvent(), (n) => n)])],
  ["a fair select()", (channel) => select({ item: channel.receiveEvent() }, { fair: true })],
  ["Event.never()", () => Event.never()],
  ["Event.always()", () => Event.always(1)],
  ["yieldNow()", () => yieldNow()],
  ["sleep()", () => sleep(1)],
  ["a fiber", () => Fiber.returned(1)],
  ["Fiber.join()", () => Fiber.returned(1).join()],
  ["fromPromise()", () => fromPromise(never)],
  ["suspend()", () => suspend<void>((_context, resume) => resume({ ok: true, value: undefined }))],
  ["block()", () => block({ block() {}, abort() {}, retv() {} })],
  ["a trigger", trigger],
  ["scope()", (channel) => scope(() => channel.receive())],
  ["protect()", (channel) => protect(() => channel.receive())],
  ["cancelScope()", (channel) => cancelScope(() => channel.receive())],
  ["withTimeout()", (channel) => withTimeout(1, () => channel.receive())],
  ["any()", (channel) => any([() => channel.receive()])],
];

for (const [name, make] of operations) {
  Deno.test(`suspend(): a cancel function that drives ${name} by hand is refused with an error`, () => {
    const channel = new Channel<number>({ capacity: 0 });
    assertRefused(attacked(() => {
      if (make === trigger) return make(channel); // which is refused as it is made
      return make(channel)[Symbol.iterator]().next();
    }));
    assertEquals(channel.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
  });
}

Deno.test("suspend(): what a cancel function was refused is as good as new", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const operations = [channel.send(1), channel.receiveOrThrow(), yieldNow()] as const;
    const victim = yield* waiting(cancellable(() => {
      for (const operation of operations) {
        assertThrows(() => operation[Symbol.iterator]().next(), Error, REFUSED);
      }
    }));
    yield* victim.abort();
    assertEquals(channel.size, 0);
    yield* operations[0];
    assertEquals(yield* operations[1], 1);
    yield* operations[2];
  });
});

/** Waits that somebody else's fiber has begun, and what ends them. */
const begun: [
  string,
  (channel: Channel<number>) => Awaitable<unknown>,
  (channel: Channel<number>) => unknown,
  unknown,
][] = [
  ["Channel.receive()", (c) => c.receiveOrThrow(), (c) => c.trySend(1), 1],
  ["Channel.send()", (c) => c.send(2), (c) => c.tryReceive(), undefined],
  ["select()", (c) => select([when(c.receiveEvent(), (n) => n)]), (c) => c.trySend(3), 3],
  ["a join", (c) => spawn(() => c.receiveOrThrow()), (c) => c.trySend(4), 4],
];

for (const [name, make, end, value] of begun) {
  Deno.test(`suspend(): a cancel function that drives a ${name} of another fiber is refused`, () => {
    virtually(function* () {
      const channel = new Channel<number>({ capacity: 0 });
      let iterator: Iterator<never, unknown, unknown> | undefined;
      const waiter = spawn(function* () {
        iterator = make(channel)[Symbol.iterator]();
        return yield* { [Symbol.iterator]: () => iterator! };
      });
      yield* settle();
      const victim = yield* waiting(cancellable(() => {
        assertThrows(() => iterator!.next(), Error, REFUSED);
      }));
      yield* victim.abort();
      yield* settle();
      assertEquals(waiter.state, "running");
      end(channel);
      assertEquals(yield* waiter, value);
      assertEquals(channel.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
    });
  });
}

Deno.test("suspend(): a cancel function that drives a scope of another fiber is refused, and ends it", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    let iterator: Iterator<never, unknown, unknown> | undefined;
    const log: string[] = [];
    const waiter = spawn(function* () {
      iterator = scope(function* (inner) {
        inner.spawn(() => Event.never(), { finally: () => log.push("its spawn is gone") });
        yield* channel.receive();
      })[Symbol.iterator]();
      return yield* { [Symbol.iterator]: () => iterator! };
    }, { propagateCancelToParent: false });
    yield* settle();
    const victim = yield* waiting(cancellable(() => {
      assertThrows(() => iterator!.next(), Error, REFUSED);
    }));
    yield* victim.abort();
    const error = yield* errorOf(waiter); // what the scope was refused is its failure
    assertInstanceOf(error, Error);
    assertStringIncludes(error.message, REFUSED);
    assertEquals(log, ["its spawn is gone"]);
    assertEquals(channel.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
  });
});

Deno.test("suspend(): a cancel function may complete the waits of others, abort, and await", async () => {
  const awaited: PromiseLike<Option<number>>[] = [];
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const receiver = yield* waiting(channel.receive());
    const other = yield* waiting(Event.never());
    const victim = yield* waiting(cancellable(() => {
      assertEquals(channel.trySend(5), true);
      other.abort("by the cancel function");
      awaited.push(channel.receive().then((item) => item));
    }));
    yield* victim.abort();
    assertEquals(yield* receiver, { value: 5 });
    assertEquals(reasonOf(yield* other.join()), "by the cancel function");
    assertEquals(channel.trySend(6), true);
  });
  assertEquals(await Promise.all(awaited), [{ value: 6 }]);
});
