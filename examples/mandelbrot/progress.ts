/** A progress bar on stderr: live on a terminal, else nothing. */

const barWidth = 40;
const encoder = new TextEncoder();

/** How many of `total` are done, on display. */
export class Progress {
  readonly #live = Deno.stderr.isTerminal();
  #done = 0;
  #shown = -1;

  constructor(readonly total: number) {}

  advance(): void {
    this.#done++;
    const filled = Math.floor(barWidth * this.#done / this.total);
    if (filled === this.#shown) return;
    this.#shown = filled;
    const percent = Math.floor(100 * this.#done / this.total);
    this.#draw(`[${"#".repeat(filled).padEnd(barWidth, "-")}] ${percent} %`);
  }

  /** Clears the line. */
  end(): void {
    this.#draw("");
  }

  #draw(text: string): void {
    const eraseToEnd = "\x1b[K";
    if (this.#live) Deno.stderr.writeSync(encoder.encode(`\r${text}${eraseToEnd}`));
  }
}
