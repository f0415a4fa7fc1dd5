/**
 * The work outside of fibers that a context has started, and that it stops when it is cancelled: all
 * that listens to the signals that `fromPromise` has given out in it.
 *
 * The promise of a call may have settled long ago, and its work still go on: a response has come, and
 * its body is still coming. Nobody says when the work is over, and a context that lives long may make
 * a million calls. So:
 *
 *  - Each call has a signal of its own. One signal for all of them would keep every listener that
 *    somebody forgot to remove, and the host looks through all of them to add the next.
 *  - The last calls are held on to, at least `BATCH` of them.
 *  - Those before them are held weakly, batch by batch. A batch lasts as long as somebody holds one
 *    of its signals, or an object that one of its calls gave.
 */
import type { Abort } from "../../operation/errors.ts";
import { asCancelFunction } from "../../trigger/execution.ts";

const BATCH = 32;

/** Calls that settled one after the other. */
class Batch {
  readonly calls: AbortController[] = [];
  /**
   * Keeps `calls` alive as long as one of its keys is. Each batch has a map of its own, because the
   * table behind a map that has had a million keys never shrinks.
   */
  readonly lifelines: WeakMap<WeakKey, unknown> = new WeakMap();
}

const gone: FinalizationRegistry<() => void> = new FinalizationRegistry((forget) => forget());

export class OutsideWork {
  /** The batches before those. Their calls live only as long as a key of their lifelines does. */
  readonly #former: Map<WeakRef<AbortController[]>, Batch["lifelines"]> = new Map();
  /** The last two batches, which are held on to. */
  #recent = [new Batch()];

  /** The call of `controller` has settled, with `product`. */
  add(controller: AbortController, product: unknown): void {
    if (this.#recent.at(-1)!.calls.length === BATCH) this.#nextBatch();
    const { calls, lifelines } = this.#recent.at(-1)!;
    calls.push(controller);
    lifelines.set(controller.signal, calls);
    if (Object(product) !== product) return; // no object
    lifelines.set(product as WeakKey, calls);
    // In Deno a response alone keeps what stops its body, which may be all that is left of it.
    if (product instanceof Response && product.body !== null) lifelines.set(product.body, product);
  }

  #nextBatch(): void {
    if (this.#recent.push(new Batch()) <= 2) return;
    const { calls, lifelines } = this.#recent.shift()!;
    const former = this.#former;
    const ref = new WeakRef(calls);
    former.set(ref, lifelines);
    gone.register(calls, () => former.delete(ref));
  }

  /** Aborts the signals that are left, in the order in which their calls settled. */
  abort(error: Abort): void {
    const batches = Array.from(this.#former.keys(), (ref) => ref.deref() ?? []);
    batches.push(...this.#recent.map(({ calls }) => calls));
    this.#former.clear();
    this.#recent = [new Batch()];
    for (const controller of batches.flat()) asCancelFunction(() => controller.abort(error));
  }
}
