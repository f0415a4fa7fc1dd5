/**
 * Child processes, each for as long as a body runs.
 *
 *     RUNNING ──the body has returned──▶ SEEN OFF ──it ended by itself──▶ ended
 *        │                                   └──graceMs──▶ SIGTERM ──graceMs──▶ SIGKILL ──▶ ended
 *        └──the body failed or was aborted──────────────────▶ SIGTERM ──▶ as above
 *
 * The pipes are closed in any case, and what is on its way to a child that doesn't read is forgotten.
 */
import { afterEvent, select, when } from "../../event/mod.ts";
import { all, protect, scope, spawn } from "../../fiber/mod.ts";
import { currentFiber, GeneratorOperation } from "../../fiber/core/mod.ts";
import { checkBody, checkDuration, checkOptions, show, wrongType } from "../../internal/check.ts";
import { reportUncaught } from "../../internal/report.ts";
import type { Event } from "../../operation/event_constructors.ts";
import type { Awaitable, CancelHandle, Operation } from "../../operation/types.ts";
import { promiseEvent } from "../../promise/mod.ts";
import { refuseOptions, type Sink, sinkOf, StreamClosedError } from "../bytes/mod.ts";
import {
  CLEANUP_GRACE_MS,
  failureWithout,
  Input,
  limitCleanup,
  Output,
  SinkDrain,
} from "../streams/mod.ts";

/** How a command is run. Its `stdin` and `stdout` are "piped" unless told otherwise. */
export interface CommandOptions extends Omit<Deno.CommandOptions, "signal"> {
  /**
   * For how long a child whose body has returned may go on, before it is sent SIGTERM; and for how
   * long after that, before it is killed. Default 5000; `Infinity`: as long as it takes.
   */
  graceMs?: number;
}

/** How a command is run whose whole output is wanted. */
export interface CommandOutputOptions extends Omit<CommandOptions, "stdin" | "stdout" | "stderr"> {
  /** What it reads. Default: nothing. */
  input?: string | Uint8Array;
}

const GRACE_MS = 5000;

type Pipes = Partial<{ stdin: Output; stdout: Input; stderr: Input }>;

/** A running child process. */
export class Child {
  /** Its process id. */
  readonly pid: number;
  /** Happens when it has ended: how. May be waited for any number of times. */
  readonly status: Event<Deno.CommandStatus>;
  readonly #process: Deno.ChildProcess;
  readonly #pipes: Pipes;

  /** Not for you: `withCommand` makes them. */
  constructor(process: Deno.ChildProcess, pipes: Pipes) {
    this.pid = process.pid;
    this.status = promiseEvent(process.status);
    this.#process = process;
    this.#pipes = pipes;
  }

  /**
   * What it reads: close it, that it sees the end.
   *
   * @throws {TypeError} if it is not piped
   */
  get stdin(): Output {
    return piped("stdin", this.#pipes.stdin);
  }

  /**
   * What it writes.
   *
   * @throws {TypeError} if it is not piped
   */
  get stdout(): Input {
    return piped("stdout", this.#pipes.stdout);
  }

  /**
   * What it complains about.
   *
   * @throws {TypeError} if it is not piped
   */
  get stderr(): Input {
    return piped("stderr", this.#pipes.stderr);
  }

  /** Sends it a signal, SIGTERM by default; does nothing once it has ended. Never suspends. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      // "Child process has already terminated", as a TypeError or from the system.
      if (!(error instanceof Deno.errors.NotFound) && !isTerminated(error)) throw error;
    }
  }
}

function piped<T>(name: string, pipe: T | undefined): T {
  if (pipe !== undefined) return pipe;
  throw new TypeError(`Cannot use the child's ${name}: it is not piped; pass ${name}: "piped"`);
}

function isTerminated(error: unknown): boolean {
  return error instanceof TypeError && error.message.includes("terminated");
}

/**
 * Starts `program`, runs `body` with the child, and returns what `body` returned, once the child
 * has ended: no child outlives the scope.
 *
 * Suspends. When `body` has returned and all that it spawned is gone, the child's stdin is written
 * to its end and closed, then the other pipes, and the child has `graceMs` to end by itself. Then it
 * is sent SIGTERM, and SIGKILL when `graceMs` more have passed: it lives for twice `graceMs` at the
 * most. A child that is to take its time, or for ever, is waited for in `body`:
 * `yield* child.status`.
 *
 * If `body` has failed or was aborted, or if that wait is, the child is sent SIGTERM at once, and
 * SIGKILL when `graceMs` have passed. What an aborted `body` still does in protection, to close
 * `child.stdin` or to read the rest, has a second for it. Then the child is sent SIGTERM all the
 * same, and its stdin is discarded; `graceMs` later it is killed, and its pipes are closed under
 * whoever still reads.
 *
 * Only the child itself is ended. What it has started in turn, and left behind, goes on, also where
 * that has inherited the pipes: they are closed here, which takes a second if something is on its way
 * to somebody who doesn't read.
 *
 * Needs `--allow-run`.
 *
 * @throws {Deno.errors.NotFound} if there is no such program
 * @throws {TypeError} if an argument is of the wrong type
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { withCommand } from "@weft/weft/io";
 *
 * const sorted = await main(() =>
 *   withCommand("sort", { args: ["-n"] }, function* (child) {
 *     yield* child.stdin.outputLines(["10", "9"]);
 *     yield* child.stdin.close();
 *     return yield* child.stdout.inputAllText();
 *   })
 * );
 * assertEquals(sorted, "9\n10\n");
 * ```
 */
export function withCommand<T>(
  program: string | URL,
  options: CommandOptions,
  body: (child: Child) => Operation<T>,
): Awaitable<T> {
  checkCommand(program, options);
  checkBody("run the command", "body", body);
  return new GeneratorOperation("a command", useChild<T>, { program, options, body });
}

/**
 * Runs `program` to its end: how that was, and all that it has written.
 *
 * Suspends, until the child has ended and both its pipes have: what the child has started in turn,
 * and left behind, may hold them open. An abort ends the child and the wait, as for `withCommand`.
 * Needs `--allow-run`.
 *
 * @throws {Deno.errors.NotFound} if there is no such program
 * @throws {TypeError} if an argument is of the wrong type
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { commandOutput } from "@weft/weft/io";
 *
 * const { code, stdout } = await main(() => commandOutput("tr", { args: ["a-z", "A-Z"], input: "weft" }));
 * assertEquals([code, new TextDecoder().decode(stdout)], [0, "WEFT"]);
 * ```
 */
export function commandOutput(
  program: string | URL,
  options: CommandOutputOptions = {},
): Awaitable<Deno.CommandOutput> {
  checkCommand(program, options);
  const { input, ...rest } = options;
  const own = ["stdin", "stdout", "stderr"];
  refuseOptions(
    "run the command",
    options,
    own,
    "all of it is collected; for that use withCommand",
  );
  if (input !== undefined && typeof input !== "string" && !(input instanceof Uint8Array)) {
    throw wrongType("run the command", "input must be a string or a Uint8Array", input);
  }
  const stdin = input === undefined ? "null" : "piped";
  const pipes = { ...rest, stdin, stdout: "piped", stderr: "piped" } as const;
  return withCommand(program, pipes, (child) => collect(child, input));
}

function* collect(
  child: Child,
  input: string | Uint8Array | undefined,
): Generator<never, Deno.CommandOutput, unknown> {
  const [stdout, stderr] = yield* all([
    () => child.stdout.inputAll(),
    () => child.stderr.inputAll(),
    () => feed(child, input),
  ]);
  const status = yield* child.status;
  return { ...status, stdout, stderr } as Deno.CommandOutput;
}

function* feed(
  child: Child,
  input: string | Uint8Array | undefined,
): Generator<never, void, unknown> {
  if (input === undefined) return;
  yield* withoutReader(() =>
    typeof input === "string" ? child.stdin.outputString(input) : child.stdin.output(input)
  );
  yield* closeStdin(child.stdin);
}

/** To close can't be aborted, but to wait for a child that doesn't read can. */
function* closeStdin(stdin: Output): Generator<never, void, unknown> {
  if (stdin.statistics().buffered > 0) yield* withoutReader(() => stdin.flush());
  yield* withoutReader(() => stdin.close());
}

/** A child need not read all that there is for it; and its stdin may be closed already. */
function* withoutReader(write: () => Awaitable<void>): Generator<never, void, unknown> {
  try {
    yield* write();
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe || error instanceof StreamClosedError) return;
    throw error;
  }
}

interface ChildUse<T> {
  readonly program: string | URL;
  readonly options: CommandOptions;
  readonly body: (child: Child) => Operation<T>;
}

function* useChild<T>(
  { program, options, body }: ChildUse<T>,
): Generator<never, T, unknown> {
  const { graceMs = GRACE_MS, stdin = "piped", stdout = "piped", ...rest } = options;
  const settings = { ...rest, stdin, stdout };
  return yield* scope(function* () {
    const process = new Deno.Command(program, settings).spawn();
    const pipes: Pipes = {};
    if (settings.stdin === "piped") pipes.stdin = Output.fromWritable(process.stdin);
    if (settings.stdout === "piped") pipes.stdout = Input.fromReadable(process.stdout);
    if (settings.stderr === "piped") pipes.stderr = Input.fromReadable(process.stderr);
    const sink = pipes.stdin && sinkOf("use the command", process.stdin);
    const running: Running = { child: new Child(process, pipes), pipes, sink, graceMs };
    try {
      const value = yield* useWhileItLasts(running, body);
      yield* seeOff(running);
      return value;
    } finally {
      yield* protect(() => end(running));
    }
  });
}

/** A child, and all that has to come to an end with it. */
interface Running {
  readonly child: Child;
  readonly pipes: Pipes;
  /** What is behind its stdin. */
  readonly sink: Sink | undefined;
  readonly graceMs: number;
}

/**
 * Runs `body`. Its protected clean-up, a `child.stdin.close()` above all, may depend on a child that
 * doesn't read, or doesn't end: then it goes on without.
 */
function* useWhileItLasts<T>(
  { child, pipes, graceMs }: Running,
  body: (child: Child) => Operation<T>,
): Generator<never, T, unknown> {
  const fiber = currentFiber("use the command");
  const { loop } = fiber.scheduler;
  let grace: CancelHandle | undefined;
  let gaveUp = false;
  const giveUp = () => {
    gaveUp = true;
    pipes.stdin?.discard();
    tryToKill(child, "SIGTERM");
    grace = loop.onTimer(graceMs, { repeat: false }, () => {
      tryToKill(child, "SIGKILL");
      for (const input of inputsOf(pipes)) input.close().then(undefined, reportUncaught);
    });
  };
  try {
    return yield* scope(() => {
      grace = limitCleanup(fiber, giveUp);
      return body(child);
    });
  } catch (error) {
    const isCaused = (error: unknown) => gaveUp && error instanceof StreamClosedError;
    const failure = failureWithout(isCaused, error);
    if (failure !== null) throw failure.error;
    throw fiber.context.error === undefined ? error : fiber.deliver();
  } finally {
    grace?.cancel();
  }
}

/** In a timer: if it may not be killed, `end` will say so. */
function tryToKill(child: Child, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    return;
  }
}

/** The body has returned: tells the child that there is no more, and lets it end by itself. */
function* seeOff({ child, pipes, graceMs }: Running): Generator<never, void, unknown> {
  spawn(() => closePipes(pipes), { name: "closing of the pipes" }); // until `end` discards stdin
  yield* hasEnded(child, graceMs);
}

/** Whether it ends within `ms`. */
function hasEnded(child: Child, ms: number): Awaitable<boolean> {
  return select([when(child.status, () => true), when(afterEvent(ms), () => false)]);
}

/**
 * Whatever is left of it is ended. What it has not read by now is forgotten, as somebody else may
 * hold the pipe who never will.
 */
function* end({ child, pipes, sink, graceMs }: Running): Generator<never, void, unknown> {
  try {
    pipes.stdin?.discard();
    child.kill("SIGTERM");
    if (yield* hasEnded(child, graceMs)) return;
    child.kill("SIGKILL");
    yield* child.status;
  } finally {
    yield* closeInputs(pipes);
    if (sink !== undefined) yield* outlast(sink);
  }
}

/**
 * Waits for a write that is under way: it ends when nobody can read it any more. If somebody can,
 * whom the child has left behind, not for long.
 */
function* outlast(sink: Sink): Generator<never, void, unknown> {
  const drain = new SinkDrain(sink);
  const { promise, resolve } = Promise.withResolvers<void>();
  drain.settle(() => resolve());
  try {
    yield* select({ settled: promiseEvent(promise), late: afterEvent(CLEANUP_GRACE_MS) });
  } finally {
    drain.discard();
  }
}

function* closePipes(pipes: Pipes): Generator<never, void, unknown> {
  if (pipes.stdin !== undefined) yield* closeStdin(pipes.stdin);
  yield* closeInputs(pipes);
}

function* closeInputs(pipes: Pipes): Generator<never, void, unknown> {
  for (const input of inputsOf(pipes)) yield* input.close();
}

function inputsOf({ stdout, stderr }: Pipes): Input[] {
  return [stdout, stderr].filter((input) => input !== undefined);
}

const STREAMS = ["piped", "inherit", "null"];

function checkCommand(program: unknown, options: unknown): void {
  if (typeof program !== "string" && !(program instanceof URL)) {
    throw wrongType("run the command", "program must be a string or a URL", program);
  }
  checkOptions("run the command", options);
  const { graceMs, args, cwd, env, ...rest } = Object(options) as Record<string, unknown>;
  if (graceMs !== undefined) checkDuration("run the command", "graceMs", graceMs);
  refuseOptions("run the command", rest, ["signal"], "use withAbortSignal");
  check("args", args, "an array of strings", (args) => Array.isArray(args) && args.every(isString));
  check("cwd", cwd, "a string or a URL", (cwd) => isString(cwd) || cwd instanceof URL);
  check("env", env, "an object of strings", (env) => {
    return typeof env === "object" && env !== null && Object.values(env).every(isString);
  });
  for (const name of ["stdin", "stdout", "stderr"]) {
    const allowed = STREAMS.map(show).join(" or ");
    check(name, rest[name], allowed, (stream) => STREAMS.includes(stream as string));
  }
}

/** @throws {TypeError} unless the option is left out or `isRight` */
function check(
  name: string,
  value: unknown,
  expected: string,
  isRight: (value: unknown) => boolean,
): void {
  if (value === undefined || isRight(value)) return;
  throw wrongType("run the command", `${name} must be ${expected}`, value);
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}
