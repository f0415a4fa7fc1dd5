/**
 * Events, and choosing between them.
 *
 * An event is a wait as a value, after Concurrent ML (Reppy) and fuseau's `Event`: channels,
 * timers, fibers and promises all give events, combinators make new ones, and `select` commits to
 * exactly one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Channel, Event, main } from "@weft/weft";
 *
 * const words = new Channel<string>();
 * const numbers = new Channel<number>();
 * const either = Event.choose(
 *   words.receiveEvent(),
 *   numbers.receiveEvent().map((n) => `number ${n}`),
 * );
 * numbers.trySend(7);
 * assertEquals(await main(() => either), "number 7");
 * ```
 *
 * @module
 */
export { Event } from "../operation/event_constructors.ts";
export type { EventConstructors, EventSource } from "../operation/event_constructors.ts";
export type { CancelHandle } from "../operation/types.ts";
export { select, when } from "./select.ts";
export type { Branch, ResultOf, Selected, SelectOptions, ValueOf } from "./select.ts";
export { afterEvent, deadlineEvent, timeoutEvent } from "./timer_events.ts";
