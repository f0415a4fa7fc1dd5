/** What the compiler knows of pools. The bodies are checked, not run. */
import { assertEquals } from "@std/assert";
import type { Awaitable, Event } from "@weft/weft";
import { noop, type ResultOf, serve, type TasksOf, ThreadPool } from "@weft/weft/thread";
import type tasks from "./workers/tasks.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
const expect = <T extends true>(..._: T[]): void => {};

const service = serve({
  init: () => ({ n: 1 }),
  atExit: (state) => void (state.n satisfies number),
  tasks: {
    plain: (state, a: number, b?: string) => `${state.n} ${a} ${b}`,
    later: async (_state, a: readonly string[]) => await Promise.resolve(a.length),
    *fiber(state, a: number) {
      yield* [] as never[];
      return { sum: state.n + a };
    },
    nothing: () => {},
    list: () => [1, 2],
    text: () => "text",
  },
});

declare const pool: ThreadPool<typeof service>;
declare const module: ThreadPool<{ default: typeof service }>;
declare const functions: ThreadPool<{ n: number }>;

Deno.test("ThreadPool.run() is typed by the module of tasks", () => {
  const _types = () => {
    expect<Equal<ReturnType<typeof pool.run<"plain">>, Awaitable<string>>>();
    const plain: Awaitable<string> = pool.run("plain", 1, "b");
    const without: Awaitable<string> = pool.run("plain", 1);
    const later: Awaitable<number> = pool.run("later", ["a"]);
    const fiber: Awaitable<{ sum: number }> = pool.run("fiber", 1);
    const nothing: Awaitable<void> = pool.run("nothing");
    const list: Awaitable<number[]> = pool.run("list");
    const text: Awaitable<string> = pool.run("text");
    const event: Event<{ sum: number }> = pool.runEvent("fiber", 1);
    const whole: Awaitable<string> = module.run("plain", 1);
    // @ts-expect-error -- there is no such task
    pool.run("missing");
    // @ts-expect-error -- its argument is missing
    pool.run("plain");
    // @ts-expect-error -- its argument is of another type
    pool.run("plain", "a");
    // @ts-expect-error -- it takes no more arguments
    pool.run("nothing", 1);
    // @ts-expect-error -- its result is of another type
    const wrong: Awaitable<number> = pool.run("text");
    // @ts-expect-error -- there is no such task
    pool.runEvent("missing");
    return [plain, without, later, fiber, nothing, list, text, event, whole, wrong];
  };
  expect<Equal<keyof TasksOf<typeof tasks> & "add", "add">>();
  expect<Equal<ResultOf<TasksOf<typeof tasks>["fiber"]>, string>>();
  assertEquals(Object.keys(service.tasks).length, 6); // the module is usable as it is, too
  assertEquals(service.tasks.plain({ n: 2 }, 3), "2 3 undefined");
});

Deno.test("ThreadPool.run() is typed by the function", () => {
  const _types = () => {
    const plain: Awaitable<number> = functions.run((state, n: number) => state.n + n, 1);
    const later: Awaitable<string> = functions.run(async () => await Promise.resolve("a"));
    const fiber: Awaitable<boolean> = functions.run(function* () {
      yield* [] as never[];
      return true;
    });
    // @ts-expect-error -- the state has no such field
    functions.run((state) => state.missing);
    // @ts-expect-error -- the argument is missing
    functions.run((_state, n: number) => n);
    // @ts-expect-error -- the argument is of another type
    functions.run((_state, n: number) => n, "a");
    return [plain, later, fiber];
  };
  expect();
});

Deno.test("ThreadPool.make() infers the state from init, and wants atExit to take it", () => {
  const _types = () => {
    const plain: Awaitable<ThreadPool<{ a: number }>> = ThreadPool.make({ init: () => ({ a: 1 }) });
    const later: Awaitable<ThreadPool<{ a: number }>> = ThreadPool.make({
      init: async () => await Promise.resolve({ a: 1 }),
      atExit: (state) => void (state.a satisfies number),
    });
    const none: Awaitable<ThreadPool<undefined>> = ThreadPool.make({ init: noop, atExit: noop });
    const bare: Awaitable<ThreadPool<undefined>> = ThreadPool.make();
    // @ts-expect-error -- the state is another one
    ThreadPool.make({ init: () => ({ a: 1 }), atExit: (state: { b: number }) => void state.b });
    // @ts-expect-error -- no number of threads
    ThreadPool.make({ size: "two" });
    return [plain, later, none, bare];
  };
  expect();
});

Deno.test("serve() wants tasks that take the state", () => {
  const _types = () => {
    serve({
      init: () => ({ n: 1 }),
      tasks: {
        // @ts-expect-error -- the state has no such field
        wrong: (state) => state.missing,
      },
    });
    // @ts-expect-error -- there are no tasks
    serve({ init: () => 1 });
    // @ts-expect-error -- a task is a function
    serve({ tasks: { wrong: 1 } });
  };
  expect();
});
