/**
 * What locks and their like promise, as simply as can be: lists that are searched, and no scheduler.
 * Whatever the real ones do, these must have foreseen.
 *
 * The model is told of everything just before it really happens: that somebody wants something,
 * releases it, is aborted, goes on. So at each moment it says who waits, and for each wait how it
 * ends.
 */

/** Throws unless the two are the same number, string or truth. */
export function same<T extends number | string | boolean | undefined>(
  actual: T,
  expected: T,
  what: string,
): void {
  if (actual !== expected) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}

/** How a wait goes on. */
export type State =
  /** It hasn't begun: the one who wants it gives way first. */
  | "cold"
  | "waiting"
  | "granted"
  | "cancelled"
  | "failed";

/** A wait of somebody's, as the model sees it. */
export interface ModelWait {
  state: State;
  /** Whether what was granted only counts once it was seen: an abort before that cancels the wait. */
  readonly isTentative?: boolean;
  /** It begins: it may be granted at once. */
  begin(): void;
  /** Who waits is cancelled while it waits. */
  cancel(): void;
  /** It was granted to somebody who is gone: it goes to somebody else. */
  giveBack(): void;
}

/** What somebody is. */
export interface ActorOptions {
  /** How many operations it may start in a step (law 10). */
  readonly share: number;
  /** Whether it is a task of another scheduler; default: a fiber. */
  readonly isTask?: boolean;
  /** Whether such a task goes on within the very call that wakes it. */
  readonly resumesAtOnce?: boolean;
}

/** Somebody who runs: a fiber, or a task of another scheduler. */
export class Actor {
  aborted = false;
  hasStarted = false;
  /** What it waits for, or was granted and hasn't seen yet. */
  wait: ModelWait | undefined;
  #deferred: { start: () => void; isProtected: boolean } | undefined;
  #left: number;

  constructor(readonly name: string, readonly options: ActorOptions) {
    this.#left = options.share;
  }

  /** Whether it is a task of another scheduler, whose cancellations nothing is protected from. */
  get isTask(): boolean {
    return this.options.isTask ?? false;
  }

  /** Whether it can't go on. */
  get isWaiting(): boolean {
    return this.wait?.state === "waiting";
  }

  /** It waits for something, from now on, or once it has given way so many times as it must. */
  wants<W extends ModelWait>(wait: W, operations = 1): W {
    this.wait = wait;
    if (operations === 1) this.#start(() => wait.begin(), false);
    else this.#start(() => void this.wants(wait, operations - 1), false);
    return wait;
  }

  /** What nothing cancels begins with its next step. */
  willWant(wait: ModelWait): void {
    this.wait = wait;
    this.#deferred = { start: () => wait.begin(), isProtected: true };
  }

  /** It has been woken: some go on there and then. */
  wasWoken(): void {
    if (this.options.resumesAtOnce) this.willStep();
  }

  #start(start: () => void, isProtected: boolean): void {
    if (this.#left === 0) this.#deferred = { start, isProtected };
    else this.#begin(start, isProtected);
  }

  #begin(start: () => void, isProtected: boolean): void {
    this.#left--;
    if (this.aborted && !isProtected) this.wait!.state = "cancelled";
    else start();
  }

  willStep(): void {
    this.hasStarted = true;
    this.#left = this.options.share;
    const deferred = this.#deferred;
    this.#deferred = undefined;
    if (deferred !== undefined) this.#begin(deferred.start, deferred.isProtected);
  }

  willAbort(): void {
    this.aborted = true;
    const { wait } = this;
    if (this.#deferred?.isProtected === false) {
      this.#deferred = undefined;
      wait!.state = "cancelled";
    } else if (this.isWaiting || wait?.isTentative) wait!.cancel();
  }

  /**
   * Another scheduler is going to cancel it. `keeps`: what it was granted it gets; `throws`: it is
   * told by an error, and goes back into its lock there and then.
   */
  willCancel({ keeps, throws }: { keeps: boolean; throws: boolean }): void {
    if (this.isWaiting) this.wait!.cancel();
    else if (!keeps) this.wait?.giveBack();
    if (this.#deferred === undefined) return;
    if (throws) return this.willStep();
    this.#deferred = undefined;
    this.wait!.state = "cancelled";
  }
}

/** Where one stands in line, and how much one wants there. */
export interface Place {
  readonly line: Line;
  readonly size: number;
}

/** To be let in at one of several lines. */
export class Entry implements ModelWait {
  state: State = "cold";
  /** Where it was let in. */
  at: Place | undefined;

  constructor(readonly places: readonly Place[]) {}

  /** Whether it also wants what is broken. */
  get takesBroken(): boolean {
    return false;
  }

  begin(): void {
    for (const place of this.places) {
      if (place.line.isBroken && !this.takesBroken) return this.fail();
      if (place.line.isOpenFor(place)) return this.enter(place);
    }
    this.state = "waiting";
    for (const place of this.places) place.line.waiting.push([this, place]);
  }

  /** It leaves all lines first, which lets others in there. */
  enter(place: Place): void {
    this.at = place;
    place.line.inside.push(place);
    this.#end("granted");
  }

  cancel(): void {
    this.#end("cancelled");
  }

  fail(): void {
    this.#end("failed");
  }

  #end(state: State): void {
    this.state = state;
    for (const { line } of this.places) {
      line.waiting = line.waiting.filter(([entry]) => entry !== this);
    }
    for (const { line } of this.places) line.admit();
  }

  giveBack(): void {
    this.state = "cancelled";
    this.leave();
  }

  leave(): void {
    const { line } = this.at!;
    line.inside = line.inside.filter((place) => place !== this.at);
    line.admit();
  }
}

/** First come, first served: whoever is first goes in as soon as there is room, and nobody before. */
export class Line {
  inside: Place[] = [];
  waiting: [Entry, Place][] = [];
  /** Whether all who want to get in are refused. */
  isBroken = false;

  /** `hasRoom` says whether somebody who wants so much may join those who are inside. */
  constructor(readonly hasRoom: (inside: readonly number[], size: number) => boolean) {}

  /** Whether who comes now gets in at once. */
  isOpenFor({ size }: Place): boolean {
    return this.waiting.length === 0 && this.#hasRoom(size);
  }

  #hasRoom(size: number): boolean {
    return this.hasRoom(this.inside.map((place) => place.size), size);
  }

  admit(): void {
    for (let [first] = this.waiting; first !== undefined; [first] = this.waiting) {
      const [entry, place] = first;
      if (!this.#hasRoom(place.size)) break;
      entry.enter(place);
    }
  }

  /** All are refused from now on, also those who wait. */
  break(): void {
    this.isBroken = true;
    for (const [entry] of this.waiting) if (!entry.takesBroken) entry.fail();
  }

  /** How much those who are inside have. */
  get taken(): number {
    return this.inside.reduce((sum, { size }) => sum + size, 0);
  }
}

/** One at a time. */
export const mutexLine = () => new Line((inside) => inside.length === 0);

/** So many permits. */
export const semaphoreLine = (permits: number) =>
  new Line((inside, size) => inside.reduce((sum, n) => sum + n, size) <= permits);

export const READ = 1;
export const WRITE = 2;

/** Readers together, a writer alone. */
export const rwLine = () =>
  new Line((inside, size) =>
    inside.length === 0 || (size === READ && inside.every((other) => other === READ))
  );

/** A wait on a condition: it leaves the lock, and has it again however it ends. */
export class ConditionWait implements ModelWait {
  state: State = "cold";
  /** How it ends: "cancelled" until it is notified. */
  outcome: State = "cancelled";
  /** Its way back into the lock. */
  relock: Entry | undefined;

  constructor(readonly condition: ConditionModel, readonly who: Actor, readonly held: Entry) {}

  begin(): void {
    this.state = "waiting";
    this.condition.waiting.push(this);
    this.held.leave();
  }

  cancel(): void {
    const { condition } = this;
    condition.waiting = condition.waiting.filter((wait) => wait !== this);
    this.#goBack();
  }

  notify(): void {
    this.outcome = "granted";
    this.#goBack();
    this.who.wasWoken();
  }

  #goBack(): void {
    this.relock = new Relock(this);
    this.who.willWant(this.relock);
  }

  /** Who was notified doesn't go on: the next one is. */
  passOn(): void {
    if (this.outcome !== "granted") return;
    this.outcome = "cancelled";
    this.condition.notifyOne();
  }

  giveBack(): void {
    throw new Error("it is granted by a relock");
  }
}

/** The way back into the lock. No abort of a fiber cancels it. */
class Relock extends Entry {
  constructor(readonly wait: ConditionWait) {
    super(wait.held.places);
  }

  override get takesBroken(): boolean {
    return true;
  }

  override cancel(): void {
    if (!this.wait.who.isTask) return;
    super.cancel();
    this.wait.passOn();
  }

  override giveBack(): void {
    if (this.state === "granted") super.giveBack();
    this.wait.passOn();
  }
}

/** Those who wait on a condition. */
export class ConditionModel {
  waiting: ConditionWait[] = [];

  notifyOne(): void {
    this.waiting.shift()?.notify();
  }

  notifyAll(): void {
    for (let { length } = this.waiting; length > 0; length--) this.notifyOne();
  }
}

/** To arrive at a barrier. */
export class Arrival implements ModelWait {
  state: State = "cold";
  place: number | undefined;

  constructor(readonly barrier: BarrierModel) {}

  begin(): void {
    const { barrier } = this;
    this.state = "waiting";
    barrier.waiting.push(this);
    if (barrier.waiting.length < barrier.parties) return;
    for (const [place, arrival] of barrier.waiting.entries()) {
      arrival.state = "granted";
      arrival.place = place;
    }
    barrier.waiting = [];
  }

  cancel(): void {
    this.state = "cancelled";
    this.barrier.waiting = this.barrier.waiting.filter((arrival) => arrival !== this);
  }

  giveBack(): void {
    this.state = "cancelled";
  }
}

/** Those who have arrived, and wait for the rest. */
export class BarrierModel {
  waiting: Arrival[] = [];
  constructor(readonly parties: number) {}
}

/** To see a value that is as one wants it. To have missed it changes nothing. */
export class Sight implements ModelWait {
  readonly isTentative = true;
  state: State = "cold";
  value: number | undefined;

  constructor(readonly cell: CellModel, readonly predicate: (value: number) => boolean) {}

  begin(): void {
    this.state = "waiting";
    this.cell.waiting.push(this);
    this.cell.show();
  }

  cancel(): void {
    this.state = "cancelled";
    this.cell.waiting = this.cell.waiting.filter((sight) => sight !== this);
  }

  giveBack(): void {
    this.state = "cancelled";
  }
}

/** A value, and those who wait for another one. */
export class CellModel {
  waiting: Sight[] = [];
  value = 0;

  /** Lets go those who want what is there. */
  show(): void {
    for (const sight of this.waiting) {
      if (!sight.predicate(this.value)) continue;
      sight.state = "granted";
      sight.value = this.value;
    }
    this.waiting = this.waiting.filter(({ state }) => state === "waiting");
  }
}

/** To have something run once for all: it is one's turn, or one learns that it has been run. */
export class Turn implements ModelWait {
  state: State = "cold";

  constructor(readonly once: OnceModel) {}

  begin(): void {
    const { once } = this;
    if (once.runner !== undefined && !once.hasRun) {
      this.state = "waiting";
      once.waiting.push(this);
    } else {
      this.state = "granted";
      once.runner ??= this;
    }
  }

  cancel(): void {
    this.state = "cancelled";
    this.once.waiting = this.once.waiting.filter((turn) => turn !== this);
  }

  giveBack(): void {
    throw new Error("fibers give no turn back");
  }
}

/** Whose turn it is, and who waits for that to end. */
export class OnceModel {
  waiting: Turn[] = [];
  runner: Turn | undefined;
  hasRun = false;

  /** It has been run: all learn so. */
  finish(): void {
    this.hasRun = true;
    for (const turn of this.waiting) turn.state = "granted";
    this.waiting = [];
  }

  /** It hasn't: the next one has the turn. */
  pass(): void {
    this.runner = this.waiting.shift();
    if (this.runner !== undefined) this.runner.state = "granted";
  }
}
