/**
 * Intrusive lists: a list is one pointer to the first of a circle of nodes, or `null`.
 *
 * Whoever owns the pointer stores what `append` and `remove` return. There is one pointer, rather
 * than head and tail, because each store costs a write barrier on the hot path. A node is in at
 * most one circle. One that is in none has `after === null`.
 */
export interface Linked<N> {
  after: N | null;
  before: N | null;
}

/** The list `first` with `node` as its last. */
export function append<N extends Linked<N>>(first: N | null, node: N): N {
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
export function remove<N extends Linked<N>>(first: N | null, node: N): N | null {
  const after = node.after!;
  const before = node.before!;
  node.after = null;
  node.before = null;
  if (after === node) return null;
  before.after = after;
  after.before = before;
  return first === node ? after : first;
}

/** How many nodes the list has: O(n), for inspection. */
export function count<N extends Linked<N>>(first: N | null): number {
  let n = 0;
  for (let node = first; node !== null; node = node.after === first ? null : node.after) n++;
  return n;
}

/** Its nodes, for who does something to each that may change the list. */
export function nodesOf<N extends Linked<N>>(first: N | null): N[] {
  const nodes: N[] = [];
  for (let node = first; node !== null; node = node.after === first ? null : node.after) {
    nodes.push(node);
  }
  return nodes;
}
