/** What a heap keeps: ordered by `deadline`, equal deadlines by the order of insertion. */
export interface HeapNode {
  deadline: number;
  /** The insertion number: makes equal deadlines first in, first out. */
  sequence: number;
  /** The node's place in the heap, -1 when it is in none: makes removal O(log n). */
  index: number;
}

function isBefore(a: HeapNode, b: HeapNode): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.sequence < b.sequence);
}

/** A binary heap of nodes that know their place: insert, remove and take the first in O(log n). */
export class Heap<N extends HeapNode> {
  #nodes: N[] = [];
  #inserted = 0;

  /** How many nodes were ever inserted: the sequence number of the next one. */
  get inserted(): number {
    return this.#inserted;
  }

  get size(): number {
    return this.#nodes.length;
  }

  /** The node with the earliest deadline, still in the heap. */
  first(): N | undefined {
    return this.#nodes[0];
  }

  insert(node: N): void {
    node.sequence = this.#inserted++;
    this.#nodes.push(node);
    this.#up(node, this.#nodes.length - 1);
  }

  /** Takes `node` out; does nothing when it is in no heap. */
  remove(node: N): void {
    const { index } = node;
    if (index < 0) return;
    node.index = -1;
    const last = this.#nodes.pop()!;
    if (last === node) return;
    this.#up(last, index);
    this.#down(last, last.index);
  }

  #up(node: N, index: number): void {
    const nodes = this.#nodes;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = nodes[parentIndex]!;
      if (!isBefore(node, parent)) break;
      nodes[index] = parent;
      parent.index = index;
      index = parentIndex;
    }
    nodes[index] = node;
    node.index = index;
  }

  #down(node: N, index: number): void {
    const nodes = this.#nodes;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= nodes.length) break;
      const right = childIndex + 1;
      if (right < nodes.length && isBefore(nodes[right]!, nodes[childIndex]!)) childIndex = right;
      const child = nodes[childIndex]!;
      if (!isBefore(child, node)) break;
      nodes[index] = child;
      child.index = index;
      index = childIndex;
    }
    nodes[index] = node;
    node.index = index;
  }
}
