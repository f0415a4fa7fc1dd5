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

import { encode } from "npm:fast-png@8.0.0";
import { fromPromise, main, map, monotonicNow, type Operation } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";
import { readCommand } from "./mandelbrot/command.ts";
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

/** The picture, one byte for each of red, green and blue, and how long the threads computed. */
export interface Rendering {
  readonly pixels: Uint8Array;
  readonly computedMs: number;
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
    const bands = yield* map(bandsOf(picture), (band) => pool.run("render", picture, band));
    const pixels = new Uint8Array(3 * picture.width * picture.height);
    let computedMs = 0;
    for (const band of bands) {
      pixels.set(band.pixels, 3 * picture.width * band.firstRow);
      computedMs += band.computedMs;
    }
    return { pixels, computedMs, elapsedMs: monotonicNow() - start };
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

function* draw(): Operation<void> {
  const { file, ...picture } = readCommand(Deno.args);
  const progress = new Progress(picture.height);
  let rendering: Rendering;
  try {
    rendering = yield* render(picture, () => progress.advance());
  } finally {
    progress.end();
  }
  const { pixels, computedMs, elapsedMs } = rendering;
  const { width, height, threads } = picture;
  const png = encode({ width, height, channels: 3, data: pixels });
  yield* fromPromise((signal) => Deno.writeFile(file, png, { signal }));
  const speedUp = (computedMs / elapsedMs).toFixed(2);
  console.log(
    `${file}: ${width} x ${height} with ${threads} ${threads === 1 ? "thread" : "threads"}, ` +
      `${seconds(computedMs)} of computing in ${seconds(elapsedMs)}: a speed-up of ${speedUp}`,
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

if (import.meta.main) main(draw, { handleSignals: true });
