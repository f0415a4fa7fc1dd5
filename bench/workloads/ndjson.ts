/**
 * A file of 200 MB with a JSON object in each line: parsed and added up. Ours has two threads do it,
 * a piece of some lines at a time; so does piscina; `one thread` is the plain program that does all
 * by itself. All of them read the file in the same way, and none holds more than a few pieces of it.
 *
 * Once for the time, and once for the most memory that the process ever had.
 */
import { main, map } from "../../mod.ts";
import { ThreadPool, transfer } from "../../lib/thread/mod.ts";
import { peakResident } from "../gauges.ts";
import { addUp, type Payment } from "../workers/ndjson.ts";
import type tasks from "../workers/tasks.ts";
import { type Contender, expectTotal, type Workload } from "../workload.ts";

const size = { full: 200, smoke: 2 };
const BYTES_OF_MB = 1_000_000;
/** What is read at a time: it takes milliseconds, so that handing it over doesn't count. */
const PIECE_BYTES = 1 << 20;
const threads = 2;
/** How many pieces are on their way: each thread has one at hand when it is done with another. */
const IN_FLIGHT = 2 * threads;

export const ndjsonTime: Workload = {
  name: "ndjson",
  unit: "MB",
  iteration: 4,
  size,
  targets: { "one thread": 0.65, piscina: null },
  run: contenders(async (addUpAll, path, expected) => {
    expectTotal(await addUpAll(path), expected);
  }),
};

export const ndjsonMemory: Workload = {
  name: "ndjson/peak",
  unit: "program",
  measure: "bytes",
  size,
  units: () => 1,
  fresh: true,
  limit: 300e6,
  targets: { "one thread": null, piscina: null },
  run: contenders(async (addUpAll, path, expected) => {
    expectTotal(await addUpAll(path), expected);
    return peakResident();
  }),
};

type AddUpAll = (path: string) => number | PromiseLike<number>;

function contenders(
  measure: (addUpAll: AddUpAll, path: string, expected: number) => Promise<void | number>,
): Workload["run"] {
  const run = (open: () => AddUpAll | Promise<AddUpAll>): Contender => {
    let opened: AddUpAll | Promise<AddUpAll> | undefined;
    return async (megabytes) => {
      const { path, total } = fileOf(megabytes);
      return await measure(await (opened ??= open()), path, total);
    };
  };
  return { weft: run(weft), piscina: run(piscina), "one thread": run(() => oneThread) };
}

async function weft(): Promise<AddUpAll> {
  const module = import.meta.resolve("../workers/tasks.ts");
  const pool = await ThreadPool.make<typeof tasks>(module, { size: threads });
  return (path) =>
    main(function* () {
      const totals = yield* map(
        piecesOf(path),
        (piece) => pool.run("addUp", transfer(piece, [piece.buffer])),
        { concurrency: IN_FLIGHT },
      );
      return sum(totals);
    });
}

/** With bare buffers: Deno would look at each byte of an array that comes by `receiveMessageOnPort`. */
async function piscina(): Promise<AddUpAll> {
  const { Piscina } = await import("npm:piscina@5.3.2");
  const filename = import.meta.resolve("../workers/ndjson_piscina.ts");
  const pool = new Piscina({ filename, minThreads: threads, maxThreads: threads });
  return async (path) => {
    const pieces = piecesOf(path);
    const totals: number[] = [];
    const feed = async () => {
      for (const piece of pieces) {
        const { buffer, length } = piece;
        totals.push(await pool.run({ buffer, length }, { transferList: [buffer] }));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, feed));
    return sum(totals);
  };
}

function oneThread(path: string): number {
  let total = 0;
  for (const piece of piecesOf(path)) total += addUp(piece);
  return total;
}

function sum(totals: readonly number[]): number {
  return totals.reduce((all, total) => all + total, 0);
}

/** The file in pieces of whole lines, each in memory of its own. */
function* piecesOf(path: string): Generator<Uint8Array<ArrayBuffer>, void> {
  using file = Deno.openSync(path);
  let rest = new Uint8Array(0);
  for (;;) {
    const piece = new Uint8Array(PIECE_BYTES);
    piece.set(rest);
    const count = file.readSync(piece.subarray(rest.length));
    if (count === null) break;
    const filled = rest.length + count;
    const end = piece.lastIndexOf(NEWLINE, filled - 1) + 1;
    rest = piece.slice(end, filled);
    yield piece.subarray(0, end);
  }
  if (rest.length > 0) yield rest;
}

const NEWLINE = 10;

interface File {
  readonly path: string;
  readonly total: number;
}

let file: File | undefined;

/** A file of so many megabytes, the same in each run. */
function fileOf(megabytes: number): File {
  return file ??= write(megabytes * BYTES_OF_MB);
}

function write(length: number): File {
  const path = Deno.makeTempFileSync({ suffix: ".ndjson" });
  addEventListener("unload", () => Deno.removeSync(path));
  using file = Deno.openSync(path, { write: true });
  const encoder = new TextEncoder();
  let total = 0;
  let id = 0;
  for (let written = 0; written < length;) {
    let lines = "";
    for (let i = 0; i < 1000; i++) {
      const payment = paymentOf(id++);
      total += payment.cents;
      lines += `${JSON.stringify(payment)}\n`;
    }
    written += file.writeSync(encoder.encode(lines));
  }
  return { path, total };
}

function paymentOf(id: number): Payment {
  return {
    id,
    at: new Date(1.7e12 + 1000 * id).toISOString(),
    user: `user-${id % 5000}`,
    cents: id * 7919 % 100_000,
    items: [
      { sku: `sku-${id % 977}`, count: 1 + id % 3 },
      { sku: `sku-${id % 1009}`, count: 1 + id % 7 },
    ],
  };
}
