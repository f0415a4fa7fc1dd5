/**
 * The table of threads: for each a number, and the word of its doorbell.
 *
 * A piece of shared memory, which travels with everything that threads share (channels, triggers,
 * the start of a thread), so that whoever holds one can ring whoever waits on it. The first realm
 * that needs a table makes one; the others join it when they receive their first handle. A realm
 * that had made a table of its own before it met another one has a place in both from then on.
 *
 * The number of a thread is never used again. Its place is, once the thread is certainly gone. Who
 * takes a place for a thread sees to it that it is left: main, for those of its pools, when they
 * have ended; a worker that was made by hand, when it ends by `Deno.exit` or `close`. If such a
 * worker is terminated from outside, or dies of an error, nobody tells, and its place stays taken.
 *
 * Where shared memory says which thread has something, it names the thread's *mark*: its place, and
 * the low bits of its number, so that another thread in the same place isn't mistaken for it. Two
 * threads with the same mark are some 2^15 threads and two rounds of all places apart.
 */
import { doorbell, ring } from "../../loop/doorbell.ts";
import { hasOwnNumber, isWorker, setThreadId, threadId } from "./identity.ts";

/** How many threads may be alive at a time. */
export const PLACES: number = 1 << 14;
/** A mark: the place of a thread, plus 1; above it the low bits of its number, plus 1. */
const MARK_SHIFT = 15;
const MARK_MASK = (1 << MARK_SHIFT) - 1;
/** All bits that a mark may have. None has none of them. */
export const MARK: number = (1 << 2 * MARK_SHIFT) - 1;
/**
 * Words before the first place: the token, the next number of a thread, the place taken last, which
 * goes on counting after the last place, so that it tells how many were ever in use.
 */
const HEADER = 4;
const NEXT_ID = 2;
const LAST_PLACE = 3;
/**
 * Words of a place: its doorbell, and who has it (0: nobody, else the number of the thread + 1).
 */
const WORDS = 2;
const BYTES = (HEADER + PLACES * WORDS) * 4;

export class Registry {
  readonly words: Int32Array;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
  }

  /** A new thread: its number, and its place. */
  enter(id = this.nextId()): { id: number; place: number } {
    // On from the last one, so that a free place rests: queues may still name who was there.
    const from = Atomics.load(this.words, LAST_PLACE) + 1;
    for (let next = from; next < from + PLACES; next++) {
      const place = next % PLACES;
      const owner = ownerWord(place);
      if (Atomics.compareExchange(this.words, owner, 0, id + 1) !== 0) continue;
      raiseTo(this.words, LAST_PLACE, next);
      return { id, place };
    }
    throw new RangeError(`Cannot start a thread: there are ${PLACES} already`);
  }

  nextId(): number {
    return Atomics.add(this.words, NEXT_ID, 1);
  }

  /**
   * The thread is gone for good: nobody will ever look at this doorbell again. All others are rung,
   * as one may wait for what it held.
   */
  leave(place: number): void {
    Atomics.store(this.words, ownerWord(place), 0);
    const last = Math.min(Atomics.load(this.words, LAST_PLACE), PLACES - 1);
    for (let other = 0; other <= last; other++) if (this.isTaken(other)) this.ring(other);
  }

  /** What names the thread that has this place now. */
  markOf(place: number): number {
    const owner = Atomics.load(this.words, ownerWord(place));
    return (place + 1) | ((owner & MARK_MASK) << MARK_SHIFT);
  }

  /** Whether the thread with this mark hasn't left. */
  isHere(mark: number): boolean {
    const owner = Atomics.load(this.words, ownerWord(placeIn(mark)));
    return owner !== 0 && (owner & MARK_MASK) === mark >>> MARK_SHIFT;
  }

  isTaken(place: number): boolean {
    return Atomics.load(this.words, ownerWord(place)) !== 0;
  }

  ring(place: number): void {
    ring(this.words, HEADER + place * WORDS);
  }
}

/** Sees to it that a word that only grows is at least `value`. */
export function raiseTo(words: Int32Array, index: number, value: number): void {
  for (let now = Atomics.load(words, index); now < value; now = Atomics.load(words, index)) {
    Atomics.compareExchange(words, index, now, value);
  }
}

/** The place of the thread with this mark. */
export function placeIn(mark: number): number {
  return (mark & MARK_MASK) - 1;
}

function ownerWord(place: number): number {
  return HEADER + place * WORDS + 1;
}

/** This realm's place in each table that it has met. */
const places: Map<string, { readonly registry: Registry; readonly place: number }> = new Map();

/** The table of this realm: the first that it made or met. */
export function ownRegistry(): Registry {
  for (const { registry } of places.values()) return registry;
  return joinRegistry(makeRegistry().buffer).registry;
}

function makeRegistry(): Registry {
  const words = new Int32Array(new SharedArrayBuffer(BYTES));
  const token = crypto.getRandomValues(new Int32Array(2));
  words.set(token, 0);
  // A thread that was made by hand has a random number of its own; those it makes go on from there.
  Atomics.store(words, NEXT_ID, threadId() + 1);
  return new Registry(words.buffer as SharedArrayBuffer);
}

/**
 * Joins a table, unless that was done before. `taken`: the place that main took for this thread.
 */
export function joinRegistry(
  buffer: SharedArrayBuffer,
  taken?: number,
): { readonly registry: Registry; readonly place: number } {
  const token = tokenOf(buffer);
  let known = places.get(token);
  if (known === undefined) {
    const registry = new Registry(buffer);
    if (taken === undefined && !hasOwnNumber()) setThreadId(registry.nextId());
    const place = taken ?? takePlace(registry);
    known = { registry, place };
    places.set(token, known);
    doorbell.moveTo(registry.words, HEADER + place * WORDS);
  }
  return known;
}

/** The places that this thread has taken by itself. */
const ownPlaces: { readonly registry: Registry; readonly place: number }[] = [];

function takePlace(registry: Registry): number {
  const { place } = registry.enter(threadId());
  if (ownPlaces.push({ registry, place }) === 1 && isWorker()) leaveAtTheEnd();
  return place;
}

/** This thread ends: it leaves the places that it has taken by itself. */
export function leavePlaces(): void {
  for (const { registry, place } of ownPlaces.splice(0)) registry.leave(place);
}

/** `unload` comes with `Deno.exit()`. `close()` ends the worker there and then, with no event. */
function leaveAtTheEnd(): void {
  const scope = globalThis as unknown as { close(): void } & EventTarget;
  scope.addEventListener("unload", leavePlaces);
  const close = scope.close.bind(scope);
  scope.close = () => {
    leavePlaces();
    close();
  };
}

/** Whether `handle`, which anybody may have made up, has memory and a table of threads. */
export function hasMemory(
  handle: { readonly buffer: unknown; readonly registry: unknown },
): boolean {
  return handle.buffer instanceof SharedArrayBuffer &&
    handle.registry instanceof SharedArrayBuffer && handle.registry.byteLength === BYTES;
}

/** The same, and whether it is of that kind and its name, if it has one, can be one. */
export function isNamedHandle(
  handle: { readonly kind: string; readonly name: unknown } & Parameters<typeof hasMemory>[0],
  kind: string,
): boolean {
  return handle?.kind === kind && hasMemory(handle) &&
    (handle.name === undefined || typeof handle.name === "string");
}

/** What tells pieces of shared memory apart: a handle that was posted is another object. */
export function tokenOf(buffer: SharedArrayBuffer): string {
  const words = new Int32Array(buffer, 0, 2);
  return `${words[0]} ${words[1]}`;
}
