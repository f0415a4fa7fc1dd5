/** `RwLock`: who is let in together. What it has in common with all locks is in `line_test.ts`. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Event, type Operation, select, spawn, when, yieldNow } from "@weft/weft";
import { type Guard, RwLock } from "@weft/weft/sync";
import { valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { withShare } from "../kit/share.ts";
import { errorOf, settle, virtually } from "../kit/virtually.ts";
import { ToyScheduler } from "../world5/toy_scheduler.ts";

const free = { readers: 0, isWriting: false, waiting: 0 };

forEachScheduler((scheduler, run) => {
  Deno.test(`RwLock: many read, or one writes (${scheduler})`, () => {
    for (const share of [1, 100]) {
      const lock = new RwLock();
      let [reading, writing, most] = [0, 0, 0];
      const result = withShare(share, () =>
        run(function* () {
          for (let n = 0; n < 30; n++) {
            const writes = n % 5 === 2;
            const fiber = spawn(function* () {
              using _guard = yield* writes
                ? (n % 2 === 0 ? lock.write() : lock.writeEvent())
                : (n % 2 === 0 ? lock.read() : lock.readEvent());
              if (writes) writing++;
              else reading++;
              most = Math.max(most, reading);
              try {
                assert(writing === 0 || (writing === 1 && reading === 0));
                yield* yieldNow();
              } finally {
                if (writes) writing--;
                else reading--;
              }
            });
            if (n % 7 === 3) {
              yield* yieldNow();
              fiber.abort();
            }
          }
        }));
      valueOf(result);
      assert(most > 1, "some read together");
      assertEquals(lock.statistics(), free);
    }
  });
});

Deno.test("law 7: RwLock: readers wait behind a writer that waits, and those next to each other go together", () => {
  const lock = new RwLock();
  const seen: string[] = [];
  virtually(function* () {
    const reader = lock.tryRead()!;
    const enter = (name: string, way: "read" | "write") =>
      spawn(function* () {
        using _guard = yield* lock[way]();
        seen.push(name);
        yield* settle();
      });
    enter("write 1", "write");
    enter("read 2", "read");
    enter("read 3", "read");
    enter("write 4", "write");
    enter("read 5", "read");
    yield* settle();
    assertEquals(lock.statistics(), { readers: 1, isWriting: false, waiting: 5 });
    assertEquals([lock.tryRead(), lock.tryWrite()], [undefined, undefined]);
    reader.release();
    assertEquals(lock.statistics(), { readers: 0, isWriting: true, waiting: 4 });
    yield* settle();
    yield* settle();
    assertEquals(seen, ["write 1", "read 2", "read 3"]);
    assertEquals(lock.statistics(), { readers: 2, isWriting: false, waiting: 2 });
  });
  assertEquals(seen, ["write 1", "read 2", "read 3", "write 4", "read 5"]);
  assertEquals(lock.statistics(), free);
});

Deno.test("RwLock: a writer that gives up lets in the readers behind it", () => {
  for (const way of ["write", "writeEvent"] as const) {
    for (const resumesAtOnce of [false, true]) {
      const lock = new RwLock();
      const toy = new ToyScheduler({ resumesAtOnce });
      const readers: Guard[] = [];
      virtually(function* () {
        const reader = lock.tryRead()!;
        const writer = spawn(() => lock[way]());
        yield* settle();
        for (let n = 0; n < 2; n++) {
          toy.spawn(function* () {
            readers.push(yield* lock.read());
          });
          spawn(function* () {
            readers.push(yield* lock.readEvent());
          });
        }
        toy.run();
        yield* settle();
        assertEquals([readers.length, lock.statistics().waiting], [0, 5]);
        toy.during(() => writer.abort());
        assertEquals(lock.statistics(), { readers: 5, isWriting: false, waiting: 0 });
        yield* settle();
        toy.run();
        for (const guard of [reader, ...readers]) guard.release();
      });
      assertEquals([readers.length, lock.statistics()], [4, free]);
    }
  }
});

Deno.test("RwLock: the fiber that writes gets an error when it wants it again, and no other may release it", () => {
  const lock = new RwLock({ name: "table" });
  const again =
    'Cannot lock read-write lock "table": fiber "run", which wants it, holds it already';
  virtually(function* () {
    const guard = yield* lock.write();
    const ways: Operation<unknown>[] = [
      lock.read(),
      lock.write(),
      lock.readEvent(),
      lock.writeEvent(),
      select({ read: lock.readEvent(), never: Event.never() }),
      lock.withRead(() => yieldNow()),
      lock.withWrite(() => yieldNow()),
    ];
    for (const way of ways) assertEquals(String(yield* errorOf(way)).includes(again), true);
    assertThrows(() => lock.tryRead(), Error, again);
    assertThrows(() => lock.tryWrite(), Error, again);
    yield* spawn(function* () {
      assertThrows(() => guard.release(), Error, 'fiber "run" holds it, and fiber');
      assertEquals([lock.tryRead(), lock.tryWrite()], [undefined, undefined]);
    });
    assertEquals(lock.statistics(), { readers: 0, isWriting: true, waiting: 0 });
    guard.release();
  });
  assertEquals(lock.statistics(), free);
});

Deno.test("RwLock: who reads has no identity: it may read again, and others may release it", () => {
  const lock = new RwLock();
  virtually(function* () {
    const guards = [yield* lock.read(), yield* lock.read(), lock.tryRead()!];
    assertEquals([lock.statistics().readers, lock.tryWrite()], [3, undefined]);
    yield* spawn(function* () {
      for (const guard of guards) guard.release();
    });
    lock.tryWrite()!.release();
    yield* lock.withRead(function* () {
      assertEquals(lock.statistics(), { readers: 1, isWriting: false, waiting: 0 });
      yield* lock.withRead(() => yieldNow());
    });
    yield* lock.withWrite(function* () {
      assertEquals(lock.statistics(), { readers: 0, isWriting: true, waiting: 0 });
    });
  });
  assertEquals(lock.statistics(), free);
});

Deno.test("law 6: RwLock: a select to read or to write gets one of the two, and leaves the other", () => {
  for (const held of ["nobody", "reader", "writer"] as const) {
    for (const first of ["read", "write"] as const) {
      const lock = new RwLock();
      virtually(function* () {
        const guard = { nobody: undefined, reader: lock.tryRead, writer: lock.tryWrite }[held]
          ?.call(lock);
        const arms = [
          when(lock.readEvent(), (guard) => ["read", guard] as const),
          when(lock.writeEvent(), (guard) => ["write", guard] as const),
        ];
        const fiber = spawn(() => select(first === "read" ? arms : arms.reverse()));
        yield* settle();
        guard?.release();
        const [got, own] = yield* fiber;
        assertEquals(got, held === "reader" ? "read" : first);
        assertEquals(lock.statistics().waiting, 0);
        yield* spawn(function* () {
          if (got === "read") own.release();
          else assertThrows(() => own.release(), Error, "may not release it");
        });
      });
      assertEquals(lock.statistics().waiting, 0);
    }
  }
});

Deno.test("RwLock refuses options that are none", () => {
  for (const bad of [null, 1, "table", true]) {
    assertThrows(() => new RwLock(bad as never), TypeError, "options must be an object");
  }
  assertThrows(() => new RwLock({ name: 1 } as never), TypeError, "name must be a string");
});
