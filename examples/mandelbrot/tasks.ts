/** What the threads do: a band of the picture. */

import { cancelRequested, runInMain, serve, transfer } from "@weft/weft/thread";
import type { Picture } from "../mandelbrot.ts";

/** A band of the picture. */
export interface Band {
  readonly firstRow: number;
  readonly pixels: Uint8Array;
}

export default serve({
  tasks: {
    render(_state: undefined, picture: Picture, band: { firstRow: number; rows: number }): Band {
      const { width } = picture;
      const pixels = new Uint8Array(3 * width * band.rows);
      for (let row = 0; row < band.rows && !cancelRequested(); row++) {
        renderRow(picture, band.firstRow + row, pixels.subarray(3 * width * row));
        runInMain("rowDone");
      }
      return transfer({ firstRow: band.firstRow, pixels }, [pixels.buffer]);
    },
  },
});

function renderRow({ width, height, steps }: Picture, row: number, pixels: Uint8Array): void {
  const scale = 3 / width;
  const y = (row - height / 2) * scale;
  for (let column = 0; column < width; column++) {
    const x = column * scale - 2.25;
    colour(escapeTime(x, y, steps) / steps, pixels, 3 * column);
  }
}

/** How many steps the point takes to leave for good. */
function escapeTime(x: number, y: number, steps: number): number {
  let re = 0;
  let im = 0;
  let step = 0;
  while (step < steps && re * re + im * im <= 4) {
    const next = re * re - im * im + x;
    im = 2 * re * im + y;
    re = next;
    step++;
  }
  return step;
}

function colour(share: number, pixels: Uint8Array, at: number): void {
  if (share === 1) return; // inside: black
  const t = Math.sqrt(share);
  pixels[at] = 255 * Math.min(1, 3 * t);
  pixels[at + 1] = 255 * Math.min(1, Math.max(0, 3 * t - 0.6));
  pixels[at + 2] = 255 * Math.min(1, 0.3 + 0.7 * t);
}
