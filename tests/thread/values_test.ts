/** What comes out of a slot is what went in. */
import { Buffer } from "node:buffer";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type Codec, SharedChannel } from "@weft/weft/thread";
import { Encoded, isPlain } from "../../lib/thread/memory/values.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };
const wide = new SharedChannel<unknown>({ capacity: 1, slotBytes: 100_000 });

/** Through a channel with large slots. */
function through(value: unknown): unknown {
  assertEquals(wide.trySend(value), true);
  const item = wide.tryReceive();
  assertEquals(wide.statistics(), idle);
  return item!.value;
}

// Forms of the values (see `values.ts`).
const FAST = { NUMBER: 4, BYTES: 5, ASCII: 6, WIDE: 7, JSON_ASCII: 8, JSON_WIDE: 9 };
const CLONE = 10;

function formOf(value: unknown): number {
  const encoded = new Encoded();
  encoded.encode(value);
  return encoded.kind;
}

// What is copied as it is ------------------------------------------------------------------------

const numbers = [
  [0, -0, 1, -1, 0.1, NaN, Infinity, -Infinity],
  [2 ** 31, -(2 ** 31), 2 ** 53, Number.MAX_VALUE, Number.MIN_VALUE],
].flat();

Deno.test("SharedChannel carries every number as it is", () => {
  for (const n of numbers) {
    assertStrictEquals(through(n), n);
    assertEquals(formOf(n), FAST.NUMBER);
  }
});

Deno.test("SharedChannel carries undefined, null and booleans", () => {
  for (const value of [undefined, null, true, false]) assertStrictEquals(through(value), value);
});

const texts: Record<string, string> = {
  "empty": "",
  "one character": "x",
  "NUL and DEL": "\0a\0\x7f",
  "200 characters": "x".repeat(200),
  "201 characters": "y".repeat(201),
  "many": "0123456789".repeat(3000),
  "a byte order mark": "\uFEFFabc",
  "a long one with a byte order mark": "\uFEFF" + "abc".repeat(200),
  "the first that is not ASCII": "\x80",
  "Latin": "Straße",
  "the last that is not ASCII": "a".repeat(8191) + "ß",
  "across the chunks": "ä".repeat(8192 * 2 + 1),
  "emoji": "🧵🪡",
  "a lone high surrogate": "a\uD83Db",
  "a lone low surrogate": "\uDE00",
  "surrogates the wrong way round": "\uDE00\uD83D",
};

for (const [what, text] of Object.entries(texts)) {
  Deno.test(`SharedChannel carries text: ${what}`, () => {
    assertStrictEquals(through(text), text);
    assertEquals(through({ text }), { text });
    assertStrictEquals((through([text]) as string[])[0], text);
    assertEquals(through({ [text]: 1 }), { [text]: 1 });
  });
}

Deno.test("SharedChannel carries a Uint8Array as a copy of what it shows", () => {
  const all = new Uint8Array(300).map((_, n) => n);
  for (const bytes of [all, all.subarray(3, 7), all.subarray(299), new Uint8Array()]) {
    assertEquals(formOf(bytes), FAST.BYTES);
    const copy = through(bytes) as Uint8Array;
    assertEquals(copy, bytes);
    assertStrictEquals(copy.constructor, Uint8Array);
    assertEquals(copy.buffer.byteLength, bytes.length, "and nothing else");
    assertInstanceOf(copy.buffer, ArrayBuffer);
    copy.fill(0);
  }
  assertEquals(all[5], 5);
});

Deno.test("SharedChannel carries bytes that are in shared memory, as a copy of their own", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(9);
  const copy = through(shared) as Uint8Array;
  shared.fill(0);
  assertEquals([...copy], [9, 9, 9, 9]);
  assertInstanceOf(copy.buffer, ArrayBuffer);
});

// Plain data -------------------------------------------------------------------------------------

const deep = (levels: number): unknown => levels === 0 ? 1 : [deep(levels - 1)];

const plain: Record<string, unknown> = {
  "an empty object": {},
  "an empty array": [],
  "everything": { a: 1, b: "x", c: [true, false, null, [], {}], d: { e: { f: -1.5 } } },
  "a __proto__ key": JSON.parse('{"__proto__": {"a": 1}, "b": 2}'),
  "a key `constructor`": { constructor: 1, toString: "x", hasOwnProperty: null },
  "numbers as keys, in any order": { 2: "b", 1: "a", x: 3 },
  "quotes and controls": { 'a"\\\n\u2028': '"\\\n\t\u2028' },
  "a long text inside": { text: "z".repeat(1000) },
  "100 levels": deep(99),
};

for (const [what, value] of Object.entries(plain)) {
  Deno.test(`SharedChannel carries plain data the fast way: ${what}`, () => {
    assert([FAST.JSON_ASCII, FAST.JSON_WIDE].includes(formOf(value)));
    const copy = through(value);
    assertEquals(copy, value);
    assertNotStrictEquals(copy, value);
  });
}

Deno.test("SharedChannel keeps a __proto__ key a key", () => {
  const copy = through(JSON.parse('{"__proto__": {"a": 1}}')) as Record<string, unknown>;
  assertEquals(Object.keys(copy), ["__proto__"]);
  assertStrictEquals(Object.getPrototypeOf(copy), Object.prototype);
  assertEquals(copy.a, undefined);
});

Deno.test("SharedChannel gives an object without prototype the usual one", () => {
  const bare = Object.assign(Object.create(null), { a: 1 });
  assertEquals(through(bare), { a: 1 });
});

Deno.test("SharedChannel leaves out symbols and what can't be enumerated, as everywhere", () => {
  const value = { a: 1, [Symbol("s")]: 2 };
  Object.defineProperty(value, "hidden", { value: 3, enumerable: false });
  const copy = through(value) as object;
  assertEquals(Reflect.ownKeys(copy), ["a"]);
});

Deno.test("SharedChannel carries what is sent, not what becomes of it", () => {
  const value = { list: [1, 2] };
  wide.trySend(value);
  value.list.push(3);
  assertEquals(wide.tryReceive(), { value: { list: [1, 2] } });
});

// What JSON would change -------------------------------------------------------------------------

class Point {
  constructor(readonly x = 1) {}
}
class Bytes extends Uint8Array {}
class List extends Array {}

const cycle: Record<string, unknown> = { a: 1 };
cycle.self = cycle;
const buffer = new ArrayBuffer(16);

const rich: Record<string, [value: unknown, copy?: unknown]> = {
  "undefined inside": [{ a: undefined, b: [undefined] }],
  "NaN inside": [[NaN, Infinity, -Infinity]],
  "-0 inside": [{ n: -0, list: [-0] }],
  "a Date": [new Date(5)],
  "an invalid Date": [{ date: new Date(NaN) }],
  "a Map": [new Map<unknown, unknown>([[1, { a: undefined }], [{}, new Set([NaN])]])],
  "a Set in an object": [{ set: new Set([1, "a"]) }],
  "a RegExp": [/a\/b/giu],
  "a BigInt": [-(2n ** 70n)],
  "a BigInt inside": [{ n: 0n }],
  "a boxed number": [new Number(3)],
  "101 levels": [deep(101)],
  "500 levels": [deep(500)],
  "a Float64Array": [new Float64Array([1.5, NaN, -0])],
  "an Int16Array, in the middle of its buffer": [new Int16Array(buffer, 2, 3)],
  "an ArrayBuffer": [new Uint8Array([1, 2, 3]).buffer],
  "bytes in an object": [{ n: 1, bytes: new Uint8Array([1, 2]) }],
  "a Uint8ClampedArray": [new Uint8ClampedArray([1, 300])],
  "an instance of a class, which it no longer is": [new Point(), { x: 1 }],
  "an instance inside": [{ point: new Point() }, { point: { x: 1 } }],
  "a subclass of Uint8Array, which it no longer is": [new Bytes([1, 2]), new Uint8Array([1, 2])],
  "a subclass of Array, which it no longer is": [List.from([1, 2]), [1, 2]],
};

for (const [what, [value, copy = value]] of Object.entries(rich)) {
  Deno.test(`law 13: SharedChannel changes nothing in silence: ${what}`, () => {
    assertEquals(formOf(value), CLONE);
    assertEquals(through(value), copy);
  });
}

Deno.test("law 13: SharedChannel keeps the sign of zero, and which elements an array lacks", () => {
  const zeros = through({ n: -0, list: [-0, 0] }) as { n: number; list: number[] };
  assertStrictEquals(zeros.n, -0);
  assertStrictEquals(zeros.list[0], -0);
  // deno-lint-ignore no-sparse-arrays -- the hole is what is tested
  const holes = through([1, , 3]) as unknown[];
  assertEquals([holes.length, 1 in holes, 2 in holes], [3, false, true]);
  assertEquals((through(new Array(1000)) as unknown[]).length, 1000);
});

Deno.test("law 13: SharedChannel keeps what an array has besides its elements", () => {
  const match = /b(?<rest>.*)/.exec("abc")!;
  const copy = through(match) as RegExpExecArray;
  assertEquals([copy[0], copy[1], copy.index, copy.input], ["bc", "c", 1, "abc"]);
  assertEquals({ ...copy.groups }, { rest: "c" });
  assertEquals(
    (through({ deep: Object.assign([1], { more: 2 }) }) as { deep: unknown }).deep,
    Object.assign([1], { more: 2 }),
  );
});

Deno.test("SharedChannel carries cycles", () => {
  const copy = through(cycle) as typeof cycle;
  assertEquals(copy.a, 1);
  assertStrictEquals(copy.self, copy);
});

Deno.test("SharedChannel carries an Error with its message and cause", () => {
  const copy = through(new RangeError("too much", { cause: 7 }));
  assertInstanceOf(copy, RangeError);
  assertEquals([copy.message, copy.cause], ["too much", 7]);
});

Deno.test("SharedChannel carries a Buffer as bytes", () => {
  const copy = through(Buffer.from("abc"));
  assertInstanceOf(copy, Uint8Array);
  assertEquals([...copy], [97, 98, 99]);
});

// What can't be sent -----------------------------------------------------------------------------

const refused: Record<string, unknown> = {
  "a function": () => 1,
  "a function inside": { f: () => 1 },
  "a symbol": Symbol("s"),
  "a symbol inside": [Symbol("s")],
  "a promise": Promise.resolve(1),
  "shared memory": new SharedArrayBuffer(4),
  "a WeakMap": { weak: new WeakMap() },
};

for (const [what, value] of Object.entries(refused)) {
  Deno.test(`SharedChannel.trySend() throws a TypeError for ${what}, and sends nothing`, () => {
    const error = assertThrows(() => wide.trySend(value), TypeError);
    assertStringIncludes(error.message, "Cannot copy the value to another thread");
    assert(error.cause !== undefined);
    assertEquals(wide.statistics(), idle);
    assertEquals(through({ next: 1 }), { next: 1 });
  });
}

Deno.test("SharedChannel.trySend() throws what a getter throws, and sends nothing", () => {
  const error = new Error("getter");
  const value = {
    get bad() {
      throw error;
    },
  };
  assertStrictEquals(assertThrows(() => wide.trySend(value)), error);
  assertEquals(wide.statistics(), idle);
});

Deno.test("SharedChannel.trySend() in a getter of what is being sent does no harm", () => {
  const other = new SharedChannel<unknown>({ capacity: 2 });
  const value = {
    get nested() {
      other.trySend("x".repeat(100));
      other.tryReceive();
      other.trySend(new Uint8Array([1]));
      other.tryReceive();
      return "mine";
    },
    more: "ß",
  };
  assertEquals(through(value), { nested: "mine", more: "ß" });
});

// Sizes ------------------------------------------------------------------------------------------

for (const slotBytes of [1, 8, 48, 100, 240, 1000]) {
  Deno.test(`SharedChannel({ slotBytes: ${slotBytes} }) has room for that, to the byte`, () => {
    const channel = new SharedChannel<unknown>({ capacity: 1, slotBytes });
    const room = Math.ceil((Math.max(slotBytes, 8) + 16) / 64) * 64 - 16;
    assert(room >= slotBytes);
    const fits: unknown[] = [
      "a".repeat(room),
      "ß".repeat(room / 2),
      new Uint8Array(room).fill(255),
      ["a".repeat(room - 4)],
    ];
    for (const value of fits) {
      for (let lap = 0; lap < 3; lap++) { // in each slot, and nothing spills over
        assertEquals(channel.trySend(value), true);
        assertEquals(channel.tryReceive(), { value });
      }
    }
    const tooLarge: unknown[] = [
      "a".repeat(room + 1),
      "ß".repeat(room / 2 + 1),
      new Uint8Array(room + 1),
      ["a".repeat(room - 3)],
      new Map([["a", "a".repeat(room)]]),
    ];
    for (const value of tooLarge) {
      const error = assertThrows(() => channel.trySend(value), RangeError);
      assertStringIncludes(error.message, `a slot has ${room}; make the channel with a larger`);
      assertEquals(channel.statistics(), idle);
    }
  });
}

Deno.test("SharedChannel keeps neighbours apart when every slot is full to the last byte", () => {
  const channel = new SharedChannel<Uint8Array>({ capacity: 4, slotBytes: 48 });
  for (let n = 1; n <= 4; n++) channel.trySend(new Uint8Array(48).fill(n));
  for (let n = 1; n <= 4; n++) {
    assertEquals(channel.tryReceive()!.value, new Uint8Array(48).fill(n));
  }
});

// Codecs -----------------------------------------------------------------------------------------

const points: Codec<Point> = {
  encode: ({ x }) => new Uint8Array([x]),
  decode: ([x]) => new Point(x),
};

Deno.test("SharedChannel with a codec carries what that makes of it", () => {
  const channel = new SharedChannel<Point>({ capacity: 1, codec: points });
  channel.trySend(new Point(7));
  const item = channel.tryReceive()!.value;
  assertInstanceOf(item, Point);
  assertEquals(item.x, 7);
});

Deno.test("SharedChannel copies the bytes of its codec at once, and gives each receiver its own", () => {
  const scratch = new Uint8Array(2);
  const channel = new SharedChannel<number>({
    capacity: 2,
    codec: {
      encode: (n) => (scratch.fill(n), scratch),
      decode: (bytes) => {
        assertNotStrictEquals(bytes.buffer, channel.handle.buffer);
        return bytes[0]!;
      },
    },
  });
  for (const n of [1, 2]) channel.trySend(n);
  assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 1 }, { value: 2 }]);
});

Deno.test("SharedChannel.trySend() says so if encode returns no bytes, and throws what it throws", () => {
  for (const bad of ["text", undefined, new Uint16Array(1), new ArrayBuffer(1)]) {
    const codec = { encode: () => bad as unknown as Uint8Array, decode: () => 1 };
    const channel = new SharedChannel<number>({ capacity: 1, codec });
    const error = assertThrows(() => channel.trySend(1), TypeError);
    assertStringIncludes(error.message, "codec.encode must return a Uint8Array");
    assertEquals(channel.statistics(), idle);
  }
  const error = new Error("encode");
  const encode = () => {
    throw error;
  };
  const channel = new SharedChannel<number>({ capacity: 1, codec: { encode, decode: () => 1 } });
  assertStrictEquals(assertThrows(() => channel.trySend(1)), error);
  assertEquals(channel.statistics(), idle);
});

Deno.test("isPlain() is what JSON gives back as it was", () => {
  for (const value of Object.values(plain)) assertEquals(isPlain(value), true);
  for (const [value] of Object.values(rich)) assertEquals(isPlain(value), false);
  for (const value of Object.values(refused)) assertEquals(isPlain(value), false);
});
