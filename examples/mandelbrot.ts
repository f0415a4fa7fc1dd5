/**
 * Renders the Mandelbrot set into a PNG, on all cores.
 *
 * ```sh
 * deno run --allow-read --allow-write examples/mandelbrot.ts                  # mandelbrot.png
 * deno run --allow-read --allow-write examples/mandelbrot.ts --threads 1 --width 800 small.png
 * ```
 *
 * The picture is cut into bands, which a pool of threads renders; each thread tells main of every
 * row, for the progress bar. Ctrl-C stops at once and leaves no thread: the fibers that wait for
 * bands are aborted, and what they wait for is told to stop.
 *
 * @module
 */

import process from "node:process";
import { encode } from "npm:fast-png@8.0.0";
import { main, map, monotonicNow, type Operation } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";
import { orExit } from "./command_line.ts";
import { type Command, readCommand } from "./mandelbrot/command.ts";
import { Progress } from "./mandelbrot/progress.ts";
import type tasks from "./mandelbrot/tasks.ts";

/** What to render, and with how many threads. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly threads: number;
  /** After how many steps a point counts as inside. */
  readonly steps: number;
}

/** The picture, one byte for each of red, green and blue, and what it took. */
export interface Rendering {
  readonly pixels: Uint8Array;
  /** How long processors were at work for it; a thread that waits for one doesn't count. */
  readonly processorMs: number;
  readonly elapsedMs: number;
}

const rowsPerBand = 16;

/** Renders `picture`, and calls `onRow` whenever a row is done. */
export function* render(picture: Picture, onRow: () => void): Operation<Rendering> {
  const pool = yield* ThreadPool.make<typeof tasks>(
    import.meta.resolve("./mandelbrot/tasks.ts"),
    { size: picture.threads, name: "mandelbrot", main: { rowDone: onRow } },
  );
  try {
    const start = monotonicNow();
    const usedBefore = process.cpuUsage();
    const bands = yield* map(bandsOf(picture), (band) => pool.run("render", picture, band));
    const pixels = new Uint8Array(3 * picture.width * picture.height);
    for (const band of bands) pixels.set(band.pixels, 3 * picture.width * band.firstRow);
    const used = process.cpuUsage(usedBefore);
    const processorMs = (used.user + used.system) / 1000;
    return { pixels, processorMs, elapsedMs: monotonicNow() - start };
  } finally {
    yield* pool.close();
  }
}

function bandsOf({ height }: Picture): { firstRow: number; rows: number }[] {
  const bands = [];
  for (let firstRow = 0; firstRow < height; firstRow += rowsPerBand) {
    bands.push({ firstRow, rows: Math.min(rowsPerBand, height - firstRow) });
  }
  return bands;
}

function* draw({ file, ...picture }: Command): Operation<void> {
  const { width, height, threads } = picture;
  const isNew = yield* orExit(`write ${file}`, () => claim(file));
  let drawn = false;
  const progress = new Progress(height);
  try {
    const { pixels, processorMs, elapsedMs } = yield* render(picture, () => progress.advance());
    const png = encode({ width, height, channels: 3, data: pixels });
    yield* orExit(`write ${file}`, () => write(file, png));
    drawn = true;
    progress.end();
    const atWork = (processorMs / elapsedMs).toFixed(2);
    console.log(
      `${file}: ${width} x ${height} with ${threads} ${threads === 1 ? "thread" : "threads"}, ` +
        `${seconds(processorMs)} of processor time in ${seconds(elapsedMs)}: ` +
        `${atWork} processors at work`,
    );
  } finally {
    progress.end();
    if (isNew && !drawn) Deno.removeSync(file);
  }
}

/**
 * Sees whether `file` can be written before there is something to write. What is in it stays; if
 * there is none it is made, and that is returned.
 */
function* claim(file: string): Operation<boolean> {
  try {
    Deno.openSync(file, { write: true }).close();
    return false;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.openSync(file, { write: true, createNew: true }).close();
    return true;
  }
}

/** In one go, so that Ctrl-C leaves no half picture. */
function* write(file: string, png: Uint8Array): Operation<void> {
  Deno.writeFileSync(file, png);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

if (import.meta.main) {
  const command = readCommand(Deno.args);
  main(() => draw(command), { name: "mandelbrot", handleSignals: true });
}
