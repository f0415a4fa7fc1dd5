/**
 * The lists of waiters of channels: the same as `internal/circle.ts`, once more.
 *
 * A second copy because the engine's knowledge of which objects a function meets belongs to the
 * function: shared with every other list of the library, these two forget what a channel's waiters
 * look like, and a rendezvous takes more than twice as long.
 */
import type { Linked } from "../internal/circle.ts";

/** The list `first` with `node` as its last. */
export function enlist<N extends Linked<N>>(first: N | null, node: N): N {
  if (first === null) {
    node.after = node;
    node.before = node;
    return node;
  }
  const last = first.before!;
  node.before = last;
  node.after = first;
  last.after = node;
  first.before = node;
  return first;
}

/** The list `first` without `node`, which must be in it. */
export function delist<N extends Linked<N>>(first: N | null, node: N): N | null {
  const after = node.after!;
  const before = node.before!;
  node.after = null;
  node.before = null;
  if (after === node) return null;
  before.after = after;
  after.before = before;
  return first === node ? after : first;
}
