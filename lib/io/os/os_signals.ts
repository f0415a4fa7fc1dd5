/**
 * Signals of the system, as an event and as a channel. The event listens only while somebody waits;
 * the channel from the start, so that it misses nothing.
 */
import { Channel } from "../../channel/mod.ts";
import { scope } from "../../fiber/mod.ts";
import { checkBody, wrongType } from "../../internal/check.ts";
import { hostLoop } from "../../loop/mod.ts";
import type { Event } from "../../operation/event_constructors.ts";
import { EventBase, type WaitNode } from "../../operation/event.ts";
import type { Awaitable, CancelHandle, Operation } from "../../operation/types.ts";

/** A signal is an instant, not a state: it is never there already, so there is nothing to attempt. */
class SignalEvent extends EventBase<Deno.Signal> {
  constructor(readonly signals: readonly Deno.Signal[]) {
    super();
  }

  override enlist(node: WaitNode): void {
    node.handle = listen(this.signals, (signal) => node.complete(signal));
  }

  describe(): string {
    return this.signals.join(" or ");
  }
}

/**
 * Happens when the process receives one of `signals`, which tells which. While nobody waits, a
 * signal does what it does by default; {@linkcode withSignals} misses none. Needs no permission.
 *
 * Waiting keeps the process alive. The wait throws where the platform doesn't have the signal.
 *
 * @throws {TypeError} if one of them is not a string, or there is none
 *
 * @example A server that ends gracefully on Ctrl-C
 * ```ts
 * import { Event, main, select } from "@weft/weft";
 * import { signalEvent, TcpServer } from "@weft/weft/io";
 *
 * const program = main(function* () {
 *   const address = { hostname: "127.0.0.1", port: 0 };
 *   const server = yield* TcpServer.establish(address, () => Event.never());
 *   yield* signalEvent("SIGINT", "SIGTERM"); // not handleSignals, which would abort at once
 *   yield* server.shutdown({ graceMs: 10_000 });
 * });
 * await program.abort(); // for the sake of the example
 * ```
 */
export function signalEvent(...signals: [Deno.Signal, ...Deno.Signal[]]): Event<Deno.Signal> {
  checkSignals("wait for the signal", signals);
  return new SignalEvent(signals);
}

/**
 * Runs `body` with a channel of the `signals` that the process receives meanwhile, instead of
 * what they do by default. None is missed; the channel is closed in the end. Needs no permission.
 *
 * Suspends. Keeps the process alive, as a signal may always come.
 *
 * @throws {TypeError} if an argument is of the wrong type, or a signal is unknown to the platform
 */
export function withSignals<T>(
  signals: readonly Deno.Signal[],
  body: (signals: Channel<Deno.Signal>) => Operation<T>,
): Awaitable<T> {
  checkSignals("handle the signals", signals);
  checkBody("handle the signals", "body", body);
  return scope((handling) => {
    const channel = new Channel<Deno.Signal>({ name: signals.join(" or ") });
    const listening = listen(signals, (signal) => channel.trySend(signal));
    handling.onRelease(() => {
      listening.cancel();
      channel.close();
    });
    return body(channel);
  });
}

/**
 * Calls `f` for each of them, and keeps the host's loop going, which a listener alone doesn't. A
 * signal comes on no other loop.
 */
function listen(
  signals: readonly Deno.Signal[],
  f: (signal: Deno.Signal) => void,
): CancelHandle {
  const listeners: { signal: Deno.Signal; listener: () => void }[] = [];
  const cancel = () => {
    for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
  };
  try {
    for (const signal of new Set(signals)) {
      const listener = () => f(signal);
      Deno.addSignalListener(signal, listener);
      listeners.push({ signal, listener });
    }
  } catch (error) {
    cancel();
    throw error;
  }
  const alive = hostLoop().onTimer(Infinity, { repeat: false }, () => {});
  return {
    cancel() {
      alive.cancel();
      cancel();
    },
  };
}

function checkSignals(action: string, signals: readonly unknown[]): void {
  if (!Array.isArray(signals) || signals.length === 0) {
    throw wrongType(action, "signals must be an array of at least one", signals);
  }
  for (const signal of signals) {
    if (typeof signal === "string") continue;
    throw wrongType(action, 'each signal must be a string like "SIGINT"', signal);
  }
}
