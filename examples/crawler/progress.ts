/** How the crawl goes, on stderr: a live bar on a terminal, else a line a second. */

import { type Awaitable, type Operation, scope, sleep, spawn } from "@weft/weft";
import type { Report } from "./report.ts";

/** Runs `body`, with the progress of `report` on display for as long as it runs. */
export function withProgress<T>(report: Report, body: () => Operation<T>): Awaitable<T> {
  return scope(function* () {
    const display = spawn(() => show(report), { name: "progress" });
    const value = yield* body();
    display.abort();
    return value;
  });
}

function* show(report: Report): Operation<void> {
  const live = Deno.stderr.isTerminal();
  try {
    while (true) {
      yield* sleep(live ? 50 : 1000);
      if (live) redraw(bar(report));
      else console.error(line(report));
    }
  } finally {
    if (live) redraw(""); // the report gets a clean line, after Ctrl-C too
    else console.error(line(report));
  }
}

function bar(report: Report): string {
  const width = 30;
  const filled = Math.floor(width * report.links / (report.links + report.unchecked));
  return `[${"#".repeat(filled).padEnd(width, "-")}] ${line(report)}`;
}

function line(report: Report): string {
  const total = report.links + report.unchecked;
  return `${report.links} of ${total} links, ${report.brokenLinks} broken`;
}

const encoder = new TextEncoder();

function redraw(text: string): void {
  const eraseToEnd = "\x1b[K";
  Deno.stderr.writeSync(encoder.encode(`\r${text}${eraseToEnd}`));
}
