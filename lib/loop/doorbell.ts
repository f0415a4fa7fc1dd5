/**
 * The doorbell: the one word of shared memory through which other threads wake this one.
 *
 * Ringing adds one to the word and notifies. The listeners find out what there is to do: each looks
 * at what it waits for. A ring is a hint. It may come early, late, twice or for nothing, so a
 * listener always looks again. A ring that comes while nobody sleeps isn't missed, because a
 * sleeper compares the word with the count that was last answered.
 *
 * Who sleeps on it:
 *  - a blocking loop, with `sleep`, in `Atomics.wait`;
 *  - the JavaScript loop, while somebody holds the doorbell (`hold`), with a single
 *    `Atomics.waitAsync`, which can't be cancelled and is reused. As that doesn't keep the program
 *    alive, a timer does. The timer also looks by itself once a second: a thread that was to pass a
 *    ring on may have died.
 *
 * Waking a thread takes ten times as long as an answer from one that is awake. So both loops stay
 * awake for a moment before they sleep, and look. A blocking loop always does. The JavaScript loop
 * does, one hop at a time, if the thread that it has just rung was awake: a thread that has to be
 * woken needs the processor. Both do so less often when it was in vain, so a thread with nothing to
 * do uses no processor.
 *
 * The word is private at first. Threads that know each other share a table of words, and the thread
 * moves there (`moveTo`). There can be several tables, where threads were made by hand and met
 * late. Then the thread has a word in each, and a blocking loop sleeps on them in turns.
 */
import { trap } from "../internal/report.ts";
import { hop } from "./hop.ts";
import { clock } from "./timers.ts";

/** The longest sleep that `Atomics.wait` is asked for at once. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;
/** How often somebody who waits looks by itself. */
const LOOK_MS = 1000;
/** For how long a blocking loop sleeps on each of several words. */
const VISIT_MS = 1;
/** How long the JavaScript loop stays awake before it sleeps. */
const LINGER_MS = 0.05;
/** The same for a blocking loop, in looks at the word. */
const LOOKS = 20000;
/** Staying awake is left out so many times in a row at most; then it is tried again. */
const RARELY = 127;

interface Platform {
  readonly version?: { readonly deno: string };
  refTimer?(id: unknown): void;
  unrefTimer?(id: unknown): void;
}

const { Deno: platform } = globalThis as unknown as { Deno: Platform | undefined };

/** Deno before 2.7 settles a `waitAsync` only when its loop has something else to do: a timer. */
const isSlowToHear = /^(?:1|2\.[0-6])\./.test(platform?.version?.deno ?? "");
/** The period of that timer. */
const TICK_MS = 2;

/** One word of a table that other threads know. */
interface Home {
  readonly words: Int32Array;
  readonly index: number;
  /** The count that was last answered. */
  answered: number;
  /** Whether a `waitAsync` is pending on it. */
  pending: boolean;
}

/** Something that listens for the doorbell as long as somebody waits: a loop. */
export interface Holder {
  /** Somebody waits. */
  hold(): void;
  /** One who waited no longer does. */
  release(): void;
}

class Doorbell implements Holder {
  #homes: Home[] = [home(new Int32Array(new SharedArrayBuffer(4)), 0)];
  #isPrivate = true;
  readonly #listeners: Set<() => void> = new Set();
  #hostHolds = 0;
  /** How many want to hear it without keeping the program alive. */
  #attendants = 0;
  #lookTimer: unknown;
  #tidying = false;
  #lingering = false;
  /** How many of the next sleeps begin without staying awake first, and how many did last time. */
  #straight = 0;
  #failures = 0;
  #turn = 0;
  /** The blocking loop whose step runs now; null: JavaScript's loop, or none. */
  servedLoop: unknown = null;

  /** The first shared word replaces the private one; further ones are added. */
  moveTo(words: Int32Array, index: number): void {
    const added = home(words, index);
    this.#homes = this.#isPrivate ? [added] : [...this.#homes, added];
    this.#isPrivate = false;
    if (this.#isAwaited) this.#waitAsync();
  }

  /** Rings it on behalf of this very thread. */
  ring(): void {
    const { words, index } = this.#homes[0]!;
    ring(words, index);
  }

  /** Calls `f` whenever it has been rung, on this thread, until `unlisten`. */
  listen(f: () => void): void {
    this.#listeners.add(f);
  }

  unlisten(f: () => void): void {
    this.#listeners.delete(f);
  }

  /** Tells the listeners if it was rung since the last call. Returns whether it was. */
  answer(): boolean {
    let rung = false;
    for (const home of this.#homes) {
      const count = Atomics.load(home.words, home.index);
      if (count === home.answered) continue;
      home.answered = count;
      rung = true;
    }
    if (rung) this.look();
    return rung;
  }

  /** Lets every listener look for what it waits for. */
  look(): void {
    for (const listener of this.#listeners) trap(listener);
  }

  /** The JavaScript loop answers it, and is kept alive, until `release`. */
  hold(): void {
    if (this.#hostHolds++ > 0) return;
    const isPartnerAwake = !wokeSleeper;
    wokeSleeper = false;
    this.#startLooking();
    setRef(this.#lookTimer, true);
    if (isPartnerAwake) this.#linger();
    else this.#waitAsync();
  }

  release(): void {
    if (--this.#hostHolds > 0) return;
    if (!setRef(this.#lookTimer, false)) return this.#stopLooking();
    if (this.#tidying) return;
    this.#tidying = true; // whoever waits again at once finds the timer still there
    hop(() => {
      this.#tidying = false;
      if (this.#hostHolds === 0) this.#stopLooking();
    });
  }

  #startLooking(): void {
    this.#lookTimer ??= setInterval(() => this.look(), isSlowToHear ? TICK_MS : LOOK_MS);
  }

  /** The JavaScript loop answers it as long as it runs for other reasons, until `unattend`. */
  attend(): void {
    this.#attendants++;
    if (isSlowToHear && this.#lookTimer === undefined) {
      this.#startLooking();
      setRef(this.#lookTimer, false);
    }
    this.#waitAsync();
  }

  unattend(): void {
    if (--this.#attendants === 0 && this.#hostHolds === 0) this.#stopLooking();
  }

  get #isAwaited(): boolean {
    return this.#hostHolds + this.#attendants > 0;
  }

  #stopLooking(): void {
    if (isSlowToHear && this.#attendants > 0) return;
    clearInterval(this.#lookTimer as number);
    this.#lookTimer = undefined;
  }

  /** An answer is likely to come soon: looks for it, a hop at a time, before it sleeps. */
  #linger(): void {
    if (this.#lingering) return;
    if (!this.#mayStayAwake()) return this.#waitAsync();
    this.#lingering = true;
    const end = clock() + LINGER_MS;
    const poll = () => {
      const rung = this.answer();
      const late = clock() >= end;
      if (!rung && !late && this.#hostHolds > 0) return hop(poll);
      this.#lingering = false;
      if (rung || late) this.#learn(rung);
      if (this.#isAwaited) this.#waitAsync();
    };
    hop(poll);
  }

  #waitAsync(): void {
    for (const home of this.#homes) {
      if (home.pending) continue;
      const { words, index, answered } = home;
      const { async, value } = Atomics.waitAsync(words, index, answered);
      home.pending = true;
      const woken = () => {
        home.pending = false;
        this.answer();
        if (this.#isAwaited) this.#waitAsync();
      };
      if (async) value.then(woken);
      else queueMicrotask(woken); // rung meanwhile
    }
  }

  /**
   * Puts the thread to sleep for at most `ms`, or until it is rung; then answers. Returns whether
   * it was rung. With `expectsRing` it stays awake for a moment first.
   */
  sleep(ms: number, expectsRing = true): boolean {
    if (ms > 0 && !(expectsRing ? this.#spin() : this.#isRung())) {
      const { words, index, answered } = this.#homes[this.#turn++ % this.#homes.length]!;
      const longest = this.#homes.length > 1 ? VISIT_MS : LONGEST_SLEEP_MS;
      Atomics.wait(words, index, answered, Math.min(ms, longest));
    }
    return this.answer();
  }

  /** Stays awake for a moment, counted in looks (the clock may stand still): whether it was rung. */
  #spin(): boolean {
    if (!this.#mayStayAwake()) return this.#isRung();
    for (let looks = LOOKS; looks > 0; looks--) {
      if (!this.#isRung()) continue;
      this.#learn(true);
      return true;
    }
    this.#learn(false);
    return false;
  }

  #mayStayAwake(): boolean {
    return this.#straight === 0 || --this.#straight === 0;
  }

  /** Each time that staying awake was in vain, it is left out twice as often, up to a point. */
  #learn(wasWorthIt: boolean): void {
    this.#failures = wasWorthIt ? 0 : Math.min(2 * this.#failures + 1, RARELY);
    this.#straight = this.#failures;
  }

  #isRung(): boolean {
    for (const { words, index, answered } of this.#homes) {
      if (Atomics.load(words, index) !== answered) return true;
    }
    return false;
  }
}

function home(words: Int32Array, index: number): Home {
  return { words, index, answered: Atomics.load(words, index), pending: false };
}

/** Sets whether the timer keeps the program alive; returns false if the platform has no way to. */
export function setRef(timer: unknown, on: boolean): boolean {
  const f = on ? platform?.refTimer : platform?.unrefTimer;
  if (f !== undefined) f(timer);
  else if (typeof (timer as { ref?: unknown })?.ref !== "function") return false;
  else if (on) (timer as { ref(): void }).ref();
  else (timer as { unref(): void }).unref();
  return true;
}

/** The doorbell of this thread. */
export const doorbell: Doorbell = new Doorbell();

/**
 * Hears the doorbell while the thread is awake or JavaScript's loop runs; doesn't keep it running.
 */
export const attendance: Holder = {
  hold: () => doorbell.attend(),
  release: () => doorbell.unattend(),
};

/** Whether the last ring woke a thread: its answer takes longer, and it needs a processor. */
let wokeSleeper = false;

/** Rings the doorbell of another thread, whose word is `words[index]`. */
export function ring(words: Int32Array, index: number): void {
  Atomics.add(words, index, 1);
  wokeSleeper = Atomics.notify(words, index) > 0;
}
