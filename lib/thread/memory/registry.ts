/**
 * The table of threads: for each a number, and the word of its doorbell.
 *
 * A piece of shared memory, which travels with everything that threads share (channels, triggers,
 * the start of a thread), so that whoever holds one can ring whoever waits on it. The first realm
 * that needs a table makes one; the others join it when they receive their first handle. A realm
 * that had made a table of its own before it met another one has a place in both from then on.
 *
 * The number of a thread is never used again. Its place is, once the thread is certainly gone.
 */
import { doorbell, ring } from "../../loop/doorbell.ts";
import { hasOwnNumber, setThreadId, threadId } from "./identity.ts";

/** How many threads may be alive at a time. */
const PLACES = 1 << 14;
/** Words before the first place: the token, the next number of a thread, the place taken last. */
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
    const from = Atomics.load(this.words, LAST_PLACE);
    for (let i = 1; i <= PLACES; i++) {
      const place = (from + i) % PLACES;
      const owner = ownerWord(place);
      if (Atomics.compareExchange(this.words, owner, 0, id + 1) !== 0) continue;
      Atomics.store(this.words, LAST_PLACE, place);
      return { id, place };
    }
    throw new RangeError(`Cannot start a thread: there are ${PLACES} already`);
  }

  nextId(): number {
    return Atomics.add(this.words, NEXT_ID, 1);
  }

  /** The thread is gone for good: nobody will ever look at this doorbell again. */
  leave(place: number): void {
    Atomics.store(this.words, ownerWord(place), 0);
  }

  isTaken(place: number): boolean {
    return Atomics.load(this.words, ownerWord(place)) !== 0;
  }

  ring(place: number): void {
    ring(this.words, HEADER + place * WORDS);
  }
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
    const place = taken ?? registry.enter(threadId()).place;
    known = { registry, place };
    places.set(token, known);
    doorbell.moveTo(registry.words, HEADER + place * WORDS);
  }
  return known;
}

/** Whether `handle`, which anybody may have made up, has memory and a table of threads. */
export function hasMemory(
  handle: { readonly buffer: unknown; readonly registry: unknown },
): boolean {
  return handle.buffer instanceof SharedArrayBuffer &&
    handle.registry instanceof SharedArrayBuffer && handle.registry.byteLength === BYTES;
}

/** What tells pieces of shared memory apart: a handle that was posted is another object. */
export function tokenOf(buffer: SharedArrayBuffer): string {
  const words = new Int32Array(buffer, 0, 2);
  return `${words[0]} ${words[1]}`;
}
