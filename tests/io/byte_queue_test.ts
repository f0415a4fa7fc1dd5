import { assert, assertEquals } from "@std/assert";
import { Random } from "../../lib/internal/random.ts";
import { buffers, ByteQueue } from "../../lib/io/bytes/byte_queue.ts";
import { bytes, text } from "../kit/byte_streams.ts";

const queueOf = (content: string) => {
  const queue = new ByteQueue();
  queue.append(bytes(content));
  return queue;
};

const contentOf = (queue: ByteQueue) => text(queue.view(queue.length));

Deno.test("ByteQueue does at random what a plain array does", () => {
  const random = new Random(7);
  let next = 0;
  for (let round = 0; round < 25; round++) {
    const queue = new ByteQueue();
    let model: number[] = [];
    let lent: Uint8Array | undefined;
    const fresh = (most: number) => {
      const chunk = new Uint8Array(random.below(most));
      return chunk.map(() => next = (next + 1) % 251);
    };
    for (let n = 0; n < 60; n++) {
      const chunk = fresh([4, 100, 9000, 40_000][random.below(4)]!);
      switch (random.below(6)) {
        case 0:
          if (lent === undefined) queue.append(chunk);
          else continue;
          model.push(...chunk);
          break;
        case 1:
          if (lent === undefined) queue.adopt(chunk);
          else continue;
          model.push(...chunk);
          break;
        case 2:
          queue.prepend(chunk);
          model = [...chunk, ...model];
          break;
        case 3: {
          const count = random.below(model.length + 1);
          queue.consume(count);
          model = model.slice(count);
          break;
        }
        case 4:
          if (lent === undefined) {
            lent = queue.reserve([1, 5000, Infinity][random.below(3)]!);
            assert(lent.length > 0);
          } else {
            const count = random.below(lent.length + 1);
            const filled = lent.subarray(0, count);
            filled.set(filled.map(() => next = (next + 1) % 251));
            model.push(...filled);
            queue.filled(count);
            lent = undefined;
          }
          break;
        default: {
          const target = new Uint8Array(random.below(100));
          const count = queue.moveInto(target);
          assertEquals(Array.from(target.subarray(0, count)), model.slice(0, count));
          model = model.slice(count);
        }
      }
      assertEquals(queue.length, model.length);
      assert(queue.view(queue.length).every((byte, i) => byte === model[i]));
      const wanted = new Uint8Array([random.below(251)]);
      assertEquals(queue.indexOf(wanted), model.indexOf(wanted[0]!));
    }
  }
});

Deno.test("ByteQueue.indexOf() goes on where it stopped, and starts anew when it must", () => {
  const queue = queueOf("a-");
  const delimiter = bytes("--");
  assertEquals(queue.indexOf(delimiter), -1);
  queue.append(bytes("-b"));
  assertEquals(queue.indexOf(delimiter), 1);
  assertEquals(queue.indexOf(bytes("b")), 3);
  queue.consume(2);
  assertEquals(queue.indexOf(delimiter), -1);
  queue.prepend(bytes("--"));
  assertEquals(queue.indexOf(delimiter), 0);
  assertEquals(contentOf(queue), "---b");
});

/** The same bytes, and how often one of them was looked at. */
function counted(delimiter: Uint8Array): { delimiter: Uint8Array; looks: () => number } {
  let looks = 0;
  const proxy = new Proxy(delimiter, {
    get(target, key) {
      if (typeof key === "string" && /^\d+$/.test(key)) looks++;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { delimiter: proxy, looks: () => looks };
}

for (const size of [1 << 14, 100]) {
  Deno.test(`ByteQueue.indexOf() looks a few times at each byte, also where all but the end matches (pieces of ${size})`, () => {
    const content = bytes("a".repeat(1 << 14));
    for (const wanted of ["a".repeat(1000) + "b", "a".repeat(500) + "b" + "a".repeat(500)]) {
      const { delimiter, looks } = counted(bytes(wanted));
      const queue = new ByteQueue();
      for (let at = 0; at < content.length; at += size) {
        queue.append(content.subarray(at, at + size));
        assertEquals(queue.indexOf(delimiter), -1);
      }
      assert(looks() < 6 * content.length, `${looks()} looks at ${content.length} bytes`);
      queue.append(bytes(wanted));
      assertEquals(queue.indexOf(delimiter), content.length);
    }
  });
}

Deno.test("ByteQueue.indexOf() finds delimiters that begin like they end, whatever comes and goes in between", () => {
  const random = new Random(11);
  const letters = (most: number) =>
    Array.from({ length: 1 + random.below(most) }, () => "ab"[random.below(2)]!).join("");
  let found = 0;
  for (let round = 0; round < 300; round++) {
    const delimiters = [letters(8), letters(8)];
    const queue = new ByteQueue();
    let model = "";
    for (let n = 0; n < 40; n++) {
      const piece = letters(6);
      const chosen = random.below(8);
      if (chosen < 4) {
        queue.append(bytes(piece));
        model += piece;
      } else if (chosen === 4) {
        queue.prepend(bytes(piece));
        model = piece + model;
      } else {
        const count = random.below(Math.min(model.length, 4) + 1);
        queue.consume(count);
        model = model.slice(count);
      }
      const delimiter = delimiters[random.below(10) === 0 ? 1 : 0]!;
      const at = queue.indexOf(bytes(delimiter));
      assertEquals(at, model.indexOf(delimiter), `seed 11: ${delimiter} in ${model}`);
      if (at < 0) continue;
      found++;
      if (random.below(2) === 0) continue; // the next call finds it again
      queue.consume(at + delimiter.length);
      model = model.slice(at + delimiter.length);
    }
  }
  assert(found > 1000, `${found}`);
});

Deno.test("ByteQueue never writes to a chunk that it has adopted", () => {
  const chunk = bytes("chunk");
  const queue = new ByteQueue();
  queue.adopt(chunk);
  queue.consume(2);
  queue.append(bytes("more"));
  queue.prepend(bytes("__"));
  queue.reserve(10).fill(0);
  queue.filled(1);
  assertEquals([text(chunk), contentOf(queue)], ["chunk", "__unkmore\0"]);
});

Deno.test("ByteQueue gives its buffer back to the pool when it is empty", () => {
  const { inUse } = buffers.statistics();
  const queue = queueOf("abc");
  assertEquals(buffers.statistics().inUse, inUse + 1);
  queue.consume(3);
  assertEquals(buffers.statistics().inUse, inUse);
  queue.reserve(10);
  queue.filled(0);
  queue.append(bytes("abc"));
  queue.clear();
  assertEquals(buffers.statistics().inUse, inUse);
});

Deno.test("ByteQueue.pourInto() hands the buffer over, or copies what can't be", () => {
  const { inUse } = buffers.statistics();
  const from = queueOf("__abc");
  from.consume(2);
  const into = new ByteQueue();
  from.pourInto(into);
  assertEquals(buffers.statistics().inUse, inUse + 1);
  from.append(bytes("def"));
  into.append(bytes("-"));
  from.pourInto(into); // it is not empty
  from.reserve(3).set(bytes("ghi"));
  from.append(bytes("xyz"));
  const other = new ByteQueue();
  from.pourInto(other); // a read is under way
  from.filled(3);
  assertEquals([contentOf(into), contentOf(other), contentOf(from)], ["abc-def", "xyz", "ghi"]);
  for (const queue of [into, other, from]) queue.clear();
});

Deno.test("ByteQueue.pourInto() of a chunk that was adopted never writes to it", () => {
  const chunk = bytes("chunk");
  const from = new ByteQueue();
  const into = new ByteQueue();
  from.adopt(chunk);
  from.pourInto(into);
  into.append(bytes("more"));
  from.append(bytes("__"));
  assertEquals([text(chunk), contentOf(into), contentOf(from)], ["chunk", "chunkmore", "__"]);
});

Deno.test("ByteQueue.reserve() has room for more than a few bytes behind a long line", () => {
  const queue = queueOf("x".repeat(buffers.bufferSize - 1));
  assert(queue.reserve(Infinity).length >= 4096);
  queue.filled(0);
  assertEquals(queue.reserve(1).length, 1);
});

Deno.test("ByteQueue.indexOf() looks nowhere behind the end, and for the first byte nowhere twice", () => {
  const delimiters = ["\n", "\r\n", "aab"].map(bytes);
  const random = new Random(11);
  const { indexOf } = Uint8Array.prototype;
  const searched: number[] = [];
  Uint8Array.prototype.indexOf = function (byte: number, from = 0) {
    searched.push(this.length - from);
    return indexOf.call(this, byte, from);
  };
  try {
    for (const delimiter of delimiters) {
      for (const part of [1, 100, 1000]) {
        const queue = queueOf("");
        let content = "";
        searched.length = 0;
        while (content.length < 5000) {
          const more = "x".repeat(1 + random.below(part));
          queue.append(bytes(more));
          content += more;
          assertEquals(queue.indexOf(delimiter), -1);
        }
        const sum = searched.reduce((sum, length) => sum + length, 0);
        assert(sum <= content.length, `${sum} of ${content.length} bytes`);
      }
    }
  } finally {
    Uint8Array.prototype.indexOf = indexOf;
  }
});

Deno.test("ByteQueue.indexOf() finds at random what a string does", () => {
  const random = new Random(12);
  for (let round = 0; round < 300; round++) {
    const queue = queueOf("");
    let content = "";
    const delimiters = ["a", "ab", "aab", "ba"];
    for (let n = 0; n < 20; n++) {
      const more = Array.from({ length: random.below(round % 2 === 0 ? 4 : 150) }, () => {
        return round % 3 === 0
          ? "ab"[random.below(2)]!
          : "abcccccccccccccccccccccccccc"[random.below(28)]!;
      }).join("");
      if (random.below(4) === 0) {
        queue.prepend(bytes(more));
        content = more + content;
      } else {
        queue.append(bytes(more));
        content += more;
      }
      const delimiter = delimiters[random.below(random.below(2) === 0 ? 4 : 1)]!;
      assertEquals(queue.indexOf(bytes(delimiter)), content.indexOf(delimiter), content);
      const gone = random.below(content.length + 1);
      queue.consume(gone);
      content = content.slice(gone);
    }
  }
});
