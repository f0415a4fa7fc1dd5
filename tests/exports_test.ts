/** The names that can be imported at run time, door by door: none comes or goes by accident. */
import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };

const doors: Record<string, string[]> = {
  "./trigger": ["perThread", "prepareForAwait", "using"],
  "./operation": [],
  "./loop": ["blockingLoop", "hostLoop"],
  "./fiber": [
    "Abort",
    "Deadlock",
    "Fiber",
    "FiberAborted",
    "FiberLocal",
    "FinallyRaised",
    "Inactive",
    "Timeout",
    "all",
    "any",
    "cancelAfter",
    "cancelScope",
    "either",
    "fiberIdNil",
    "first",
    "getScheduler",
    "main",
    "map",
    "monotonicNow",
    "monotonicNowNs",
    "protect",
    "run",
    "scheduleMicroTask",
    "scope",
    "selfAbort",
    "sleep",
    "spawn",
    "spawnAsChildOf",
    "spawnFromAnywhere",
    "withCancelCallback",
    "withTimeout",
    "yieldNow",
  ],
  "./event": ["Event", "afterEvent", "deadlineEvent", "select", "timeoutEvent", "when"],
  "./channel": ["Channel", "ChannelClosedError"],
  "./promise": [
    "abortEvent",
    "channelFrom",
    "fromPromise",
    "promiseEvent",
    "readableFrom",
    "spawnAsPromise",
    "spawnAsPromiseFromAnywhere",
    "withAbortSignal",
  ],
  "./lowlevel": [
    "AnyFiber",
    "FiberContext",
    "block",
    "seedSelect",
    "setUncaughtHandler",
    "step",
    "suspend",
    "unblock",
  ],
  "./sync": [
    "Barrier",
    "Cell",
    "Condition",
    "Latch",
    "Lazy",
    "Mutex",
    "Once",
    "PoisonedError",
    "RwLock",
    "Semaphore",
  ],
  "./thread": [
    "PoolClosedError",
    "SharedChannel",
    "SharedMutex",
    "SharedSemaphore",
    "SharedTrigger",
    "ThreadCrashedError",
    "ThreadPool",
    "asyncContextThreads",
    "callMain",
    "cancelRequested",
    "noop",
    "runInMain",
    "serve",
    "taskSignal",
    "transfer",
    "webWorkerThreads",
  ],
  "./resource": ["BufferPool", "ResourcePool"],
  "./io": [
    "EndOfFileError",
    "HttpServer",
    "Input",
    "LimitExceededError",
    "Output",
    "StreamClosedError",
    "TcpClient",
    "TcpServer",
    "commandOutput",
    "read",
    "readEvent",
    "signalEvent",
    "watchEvent",
    "withCommand",
    "withSignals",
    "withWatch",
    "write",
    "writeEvent",
    "writeOnce",
  ],
};
/** Not in the façade: what not everybody has to load. */
const onlyInTheirRoom = ["abortEvent", "channelFrom", "readableFrom", "withAbortSignal"];
doors["."] = ["./trigger", "./fiber", "./event", "./channel", "./promise"]
  .flatMap((door) => doors[door] ?? [])
  .filter((name) => !onlyInTheirRoom.includes(name))
  .sort();

Deno.test("deno.json has a door for every room with pinned names", () => {
  assertEquals(Object.keys(config.exports).sort(), Object.keys(doors).sort());
});

for (const [door, path] of Object.entries(config.exports)) {
  Deno.test(`${door.replace(".", config.name)} exports exactly the pinned names`, async () => {
    const module = await import(new URL(`../${path}`, import.meta.url).href);
    assertEquals(Object.keys(module).sort(), doors[door]);
  });
}
