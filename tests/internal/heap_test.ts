import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Heap, type HeapNode } from "../../lib/internal/heap.ts";
import { Random } from "../../lib/internal/random.ts";

class Node implements HeapNode {
  sequence = -1;
  index = -1;
  constructor(public deadline: number, readonly name = "") {}
}

/** Takes the first until none is left. */
function drain(heap: Heap<Node>): Node[] {
  const nodes: Node[] = [];
  for (let node = heap.first(); node !== undefined; node = heap.first()) {
    heap.remove(node);
    nodes.push(node);
  }
  return nodes;
}

for (const seed of [1, 2, 3, 4, 5]) {
  Deno.test(`Heap behaves like a stably sorted list whatever is done to it, seed ${seed}`, () => {
    const random = new Random(seed);
    const heap = new Heap<Node>();
    const model: Node[] = [];
    let inserted = 0;
    for (let turn = 0; turn < 3000; turn++) {
      if (random.below(80) >= model.length) {
        const node = new Node(random.below(20)); // few deadlines, so that many are equal
        const before = model.findIndex((other) => other.deadline > node.deadline);
        model.splice(before < 0 ? model.length : before, 0, node);
        heap.insert(node);
        assertEquals(node.sequence, inserted++);
      } else {
        const place = random.below(2) === 0 ? 0 : random.below(model.length);
        const node = model.splice(place, 1)[0]!;
        heap.remove(node);
        assertEquals(node.index, -1);
      }
      assertStrictEquals(heap.first(), model[0]);
      assertEquals(heap.size, model.length);
      assertEquals(heap.inserted, inserted);
    }
    const left = drain(heap);
    assertEquals(left.length, model.length);
    assert(left.every((node, i) => node === model[i]));
  });
}

Deno.test("law 7: Heap takes equal deadlines in the order of insertion", () => {
  const heap = new Heap<Node>();
  for (const name of "abcdefghij") heap.insert(new Node(7, name));
  heap.insert(new Node(Infinity, "y"));
  heap.insert(new Node(-Infinity, "-"));
  heap.insert(new Node(Infinity, "z"));
  assertEquals(drain(heap).map((node) => node.name).join(""), "-abcdefghijyz");
});

Deno.test("Heap.insert() of a node that was in before puts it after its equals", () => {
  const heap = new Heap<Node>();
  const a = new Node(1, "a");
  heap.insert(a);
  heap.insert(new Node(1, "b"));
  heap.remove(a);
  heap.insert(a);
  assertEquals(drain(heap).map((node) => node.name), ["b", "a"]);
});

Deno.test("Heap.remove() of a node that is in no heap does nothing", () => {
  const heap = new Heap<Node>();
  const [a, b] = [new Node(1), new Node(2)];
  heap.insert(a);
  heap.insert(b);
  heap.remove(new Node(1));
  assertEquals(heap.size, 2);
  heap.remove(a);
  heap.remove(a);
  assertEquals(heap.size, 1);
  assertStrictEquals(heap.first(), b);
});
