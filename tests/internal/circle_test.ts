import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { append, count, type Linked, remove } from "../../lib/internal/circle.ts";
import { Random } from "../../lib/internal/random.ts";

class Node implements Linked<Node> {
  after: Node | null = null;
  before: Node | null = null;
  constructor(readonly id: number) {}
}

/** The ids from the first on, after a look at every pointer. */
function ids(first: Node | null): number[] {
  const ids: number[] = [];
  for (let node = first; node !== null; node = node.after === first ? null : node.after) {
    assert(node.after !== null && node.before !== null, `node ${node.id} is half out`);
    assertStrictEquals(node.after.before, node);
    assertStrictEquals(node.before.after, node);
    ids.push(node.id);
  }
  return ids;
}

for (const seed of [1, 2, 3, 4, 5]) {
  Deno.test(`circle behaves like an array whatever is done to it, seed ${seed}`, () => {
    const random = new Random(seed);
    const model: Node[] = [];
    const outside: Node[] = Array.from({ length: 30 }, (_, id) => new Node(id));
    let first: Node | null = null;
    for (let turn = 0; turn < 2000; turn++) {
      const appends = random.below(40) >= model.length;
      if (appends && outside.length > 0) {
        const node = outside.splice(random.below(outside.length), 1)[0]!;
        first = append(first, node);
        model.push(node);
      } else if (model.length > 0) {
        const node = model.splice(random.below(model.length), 1)[0]!;
        first = remove(first, node);
        outside.push(node);
        assertEquals([node.after, node.before], [null, null]);
      }
      assertEquals(ids(first), model.map((node) => node.id));
      assertEquals(count(first), model.length);
    }
  });
}

Deno.test("circle append() keeps the first and adds the last", () => {
  const [a, b, c] = [new Node(1), new Node(2), new Node(3)];
  assertStrictEquals(append(null, a), a);
  assertStrictEquals(append(a, b), a);
  assertStrictEquals(append(a, c), a);
  assertEquals(ids(a), [1, 2, 3]);
});

Deno.test("circle remove() of the first makes the second the first, of the only one none", () => {
  const [a, b] = [new Node(1), new Node(2)];
  append(append(null, a), b);
  assertStrictEquals(remove(a, a), b);
  assertEquals(ids(b), [2]);
  assertStrictEquals(remove(b, b), null);
  assertEquals(count(null), 0);
});
