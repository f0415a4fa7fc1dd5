/** What a crawl saw: written while it runs, complete or not when it is printed. */

import { monotonicNow } from "@weft/weft";

/** How a crawl ended. A report says `interrupted` until its crawl says otherwise. */
export type Ending = "complete" | "page limit" | "timeout" | "interrupted";

/** A report as data: what `--json` prints. */
export interface ReportData {
  readonly start: string;
  readonly ended: Ending;
  readonly seconds: number;
  /** HTML pages read. */
  readonly pages: number;
  readonly pagesPerSecond: number;
  /** Links checked, pages included. */
  readonly links: number;
  /** Links found that nobody came to check. */
  readonly unchecked: number;
  readonly broken: readonly BrokenLink[];
}

export interface BrokenLink {
  readonly url: string;
  readonly reason: string;
  /** The pages with this link on them; none for the address the crawl started from. */
  readonly foundOn: readonly string[];
}

export class Report {
  ended: Ending = "interrupted";
  readonly #startedAt = monotonicNow();
  readonly #foundOn = new Map<string, Set<string>>(); // every link, with the pages it is on
  readonly #checked = new Set<string>();
  readonly #broken = new Map<string, string>(); // and why
  readonly #pages = new Set<string>();

  constructor(readonly start: URL) {}

  /** Notes that there is a link to `link`, on the page `page`. Returns whether it is the first. */
  found(link: URL, page?: URL): boolean {
    const known = this.#foundOn.get(link.href);
    const foundOn = known ?? new Set();
    if (page !== undefined) foundOn.add(page.href);
    if (known === undefined) this.#foundOn.set(link.href, foundOn);
    return known === undefined;
  }

  sound(link: URL): void {
    this.#checked.add(link.href);
    this.#broken.delete(link.href);
  }

  broken(link: URL, reason: string): void {
    this.#checked.add(link.href);
    this.#broken.set(link.href, reason);
  }

  /** Notes that the page `url` was read. Returns whether for the first time. */
  page(url: URL): boolean {
    if (this.#pages.has(url.href)) return false;
    this.#pages.add(url.href);
    this.found(url);
    this.sound(url);
    return true;
  }

  /** Whether the address that it starts from could be read. */
  get reached(): boolean {
    return this.#checked.has(this.start.href) && !this.#broken.has(this.start.href);
  }

  get links(): number {
    return this.#checked.size;
  }

  get unchecked(): number {
    return this.#foundOn.size - this.#checked.size;
  }

  get brokenLinks(): number {
    return this.#broken.size;
  }

  toJSON(): ReportData {
    const seconds = (monotonicNow() - this.#startedAt) / 1000;
    return {
      start: this.start.href,
      ended: this.ended,
      seconds,
      pages: this.#pages.size,
      pagesPerSecond: this.#pages.size / seconds,
      links: this.links,
      unchecked: this.unchecked,
      broken: Array.from(this.#broken, ([url, reason]) => ({ url, reason, foundOn: this.#on(url) }))
        .sort((a, b) => a.url < b.url ? -1 : 1),
    };
  }

  #on(url: string): string[] {
    return [...this.#foundOn.get(url) ?? []].sort();
  }
}

const headline: Readonly<Record<Ending, string>> = {
  "complete": "Crawled",
  "page limit": "Stopped by --max-pages while crawling",
  "timeout": "Stopped by --timeout while crawling",
  "interrupted": "Interrupted while crawling",
};

const sourcesShown = 3;

export function printReport(report: Report, { json }: { readonly json: boolean }): void {
  const data = report.toJSON();
  console.log(json ? JSON.stringify(data, null, 2) : text(data));
}

function text(data: ReportData): string {
  const lines = [
    `${headline[data.ended]} ${data.start}`,
    `  ${data.pages} pages in ${data.seconds.toFixed(1)} s, ` +
    `${data.pagesPerSecond.toFixed(0)} pages per second`,
    `  ${data.links} links checked, ${data.unchecked} not; ${data.broken.length} broken`,
  ];
  if (data.links === 1 && data.pages + data.broken.length === 0) {
    lines.push("", "  No HTML page there: does it redirect to another site?");
  }
  for (const { url, reason, foundOn } of data.broken) {
    lines.push("", `  ${url}`, `    ${reason}`);
    for (const page of foundOn.slice(0, sourcesShown)) lines.push(`    on ${page}`);
    if (foundOn.length > sourcesShown) lines.push(`    and ${foundOn.length - sourcesShown} more`);
  }
  return lines.join("\n");
}
