/** A priority queue for timers, in which a node can be removed from the middle. */

/** What a heap keeps: ordered by `deadline`, equal deadlines by the order of insertion. */
export interface HeapNode {
  /** Not to be changed while the node is in the heap. */
  deadline: number;
  /** The insertion number: makes equal deadlines first in, first out. */
  sequence: number;
  /** The node's place in the heap, -1 when it is in none: makes removal O(log n). */
  index: number;
}

/** The capacity it starts with, and shrinks back to when it is empty. */
const INITIAL_CAPACITY = 16;

/**
 * A heap of nodes that know their place: insert, remove and take the first in O(log n).
 *
 * Each node has four below it. The deadlines stand side by side in an array of their own, since
 * nodes are far apart in memory: comparing deadlines in there needs no look at the nodes.
 */
export class Heap<N extends HeapNode> {
  #nodes: N[] = [];
  /** The deadlines of the nodes, in the same places. */
  #deadlines = new Float64Array(INITIAL_CAPACITY);
  /** How many nodes were ever inserted: the sequence number of the next one. */
  inserted = 0;

  get size(): number {
    return this.#nodes.length;
  }

  /** The node with the earliest deadline, still in the heap. */
  first(): N | undefined {
    return this.#nodes[0];
  }

  insert(node: N): void {
    const { length } = this.#nodes;
    if (length === this.#deadlines.length) this.#resize(2 * length);
    node.sequence = this.inserted++;
    this.#nodes.push(node);
    this.#up(node, node.deadline, length);
  }

  /** Takes `node` out; does nothing when it is in no heap. */
  remove(node: N): void {
    const { index } = node;
    if (index < 0) return;
    node.index = -1;
    const last = this.#nodes.pop()!;
    if (last !== node) {
      const deadline = this.#deadlines[this.#nodes.length]!;
      if (!this.#up(last, deadline, index)) this.#down(last, deadline, index);
    } else if (this.#nodes.length === 0 && this.#deadlines.length > INITIAL_CAPACITY) {
      this.#resize(INITIAL_CAPACITY);
    }
  }

  /** Puts the node where it belongs, at `start` or above. Returns whether it moved up. */
  #up(node: N, deadline: number, start: number): boolean {
    const nodes = this.#nodes;
    const deadlines = this.#deadlines;
    let index = start;
    while (index > 0) {
      const parentIndex = (index - 1) >> 2;
      const parentDeadline = deadlines[parentIndex]!;
      if (deadline > parentDeadline) break;
      const parent = nodes[parentIndex]!;
      if (deadline === parentDeadline && node.sequence > parent.sequence) break;
      nodes[index] = parent;
      deadlines[index] = parentDeadline;
      parent.index = index;
      index = parentIndex;
    }
    nodes[index] = node;
    deadlines[index] = deadline;
    node.index = index;
    return index < start;
  }

  /** Puts the node where it belongs, at `index` or below. */
  #down(node: N, deadline: number, index: number): void {
    const nodes = this.#nodes;
    const deadlines = this.#deadlines;
    const { length } = nodes;
    for (;;) {
      let first = 4 * index + 1;
      if (first >= length) break;
      let earliest = deadlines[first]!;
      const end = Math.min(first + 4, length);
      for (let i = first + 1; i < end; i++) {
        const other = deadlines[i]!;
        if (other > earliest) continue;
        if (other === earliest && nodes[i]!.sequence > nodes[first]!.sequence) continue;
        first = i;
        earliest = other;
      }
      if (deadline < earliest) break;
      const child = nodes[first]!;
      if (deadline === earliest && node.sequence < child.sequence) break;
      nodes[index] = child;
      deadlines[index] = earliest;
      child.index = index;
      index = first;
    }
    nodes[index] = node;
    deadlines[index] = deadline;
    node.index = index;
  }

  #resize(capacity: number): void {
    const old = this.#deadlines;
    this.#deadlines = new Float64Array(capacity);
    if (capacity > old.length) this.#deadlines.set(old);
  }
}
