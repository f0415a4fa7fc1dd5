/**
 * A concurrent web crawler and link checker.
 *
 * ```sh
 * deno task demo                        # crawls a broken little site of its own
 * deno task demo https://example.com    # crawls yours; --help lists the options
 * ```
 *
 * A crew of fibers takes links from one channel and puts in what they find; the
 * pages are parsed on other threads, so that requests never wait for a parser.
 * Every page has a deadline, the whole crawl has one, and Ctrl-C ends it at any
 * moment with the report of what was seen so far. There is no code for giving
 * up in here: whatever ends a wait ends the request that was waited for.
 *
 * @module
 */

import {
  Abort,
  all,
  type Awaitable,
  Channel,
  fromPromise,
  main,
  type Operation,
  type Option,
  Timeout,
  withTimeout,
} from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";
import { type Command, readCommand } from "./crawler/command.ts";
import type parser from "./crawler/parser.ts";
import { withProgress } from "./crawler/progress.ts";
import { printReport, Report } from "./crawler/report.ts";
import { withSite } from "./crawler/site.ts";

/** How to crawl. Durations are milliseconds. */
export interface CrawlOptions {
  /** How many links are visited at a time. */
  readonly concurrency: number;
  /** How many links are visited at most. */
  readonly maxPages: number;
  /** How long one link may take, from the request to the last byte, redirects included. */
  readonly pageTimeout: number;
  /** How long the whole crawl may take. */
  readonly timeout: number;
  /** Whether links to other sites are checked too, with a HEAD request each. */
  readonly external: boolean;
}

const maxRedirects = 10;
const parserThreads = 2;

/** Finds the addresses that the page `url` refers to. */
export type Parse = (html: string, url: URL) => Operation<readonly string[]>;

/** Crawls the site of `report.start` and writes down in `report` what it sees, as it sees it. */
export function* crawl(report: Report, options: CrawlOptions): Operation<void> {
  const parsers = yield* ThreadPool.make<typeof parser>(
    import.meta.resolve("./crawler/parser.ts"),
    { size: parserThreads, name: "parsers" },
  );
  try {
    yield* crawlWith((html, url) => parsers.run("linksIn", html, url.href), report, options);
  } finally {
    yield* parsers.close();
  }
}

/** The same with a parser of the caller's. */
export function* crawlWith(
  parse: Parse,
  report: Report,
  options: CrawlOptions,
): Operation<void> {
  try {
    const crew = new Crew(parse, report, options);
    yield* withTimeout(options.timeout, () => crew.crawl());
    report.ended = report.unchecked === 0 ? "complete" : "page limit";
  } catch (error) {
    if (!(error instanceof Timeout)) throw error;
    report.ended = "timeout";
  }
}

/**
 * The links that still have to be visited. It closes itself when the last one
 * is done: none is left, and nobody is at work who could find another.
 */
class Frontier {
  readonly #links = new Channel<URL>(); // unbounded: a worker never waits to hand in its finds
  #pending = 0; // added and not yet done
  #room: number;

  constructor(maxLinks: number) {
    this.#room = maxLinks;
  }

  add(link: URL): void {
    if (this.#room === 0) return;
    this.#room--;
    this.#pending++;
    this.#links.trySend(link);
  }

  next(): Awaitable<Option<URL>> {
    return this.#links.receive();
  }

  done(): void {
    this.#pending--;
    if (this.#pending === 0) this.#links.close();
  }
}

/** The fibers that visit links, and what they share. */
class Crew {
  readonly #frontier: Frontier;

  constructor(
    readonly parse: Parse,
    readonly report: Report,
    readonly options: CrawlOptions,
  ) {
    this.#frontier = new Frontier(options.maxPages);
  }

  *crawl(): Operation<void> {
    const { start } = this.report;
    this.report.found(start);
    this.#frontier.add(start);
    const workers = Math.min(this.options.concurrency, this.options.maxPages);
    yield* all(new Array(workers).fill(() => this.#work()));
  }

  *#work(): Operation<void> {
    while (true) {
      const link = yield* this.#frontier.next();
      if (link === undefined) return;
      for (const target of yield* this.#visit(link.value)) this.#frontier.add(target);
      this.#frontier.done();
    }
  }

  /** Checks one link, and returns those on its page that nobody had found before. */
  *#visit(link: URL): Operation<URL[]> {
    const { report, options } = this;
    const home = report.start.origin;
    try {
      const page = yield* withTimeout(options.pageTimeout, () => follow(link, home));
      report.sound(link);
      if (page.html === undefined || !report.page(page.url)) return []; // a redirect led back
      const links = yield* this.parse(page.html, page.url);
      return links
        .map((target) => new URL(target))
        .filter((target) => options.external || target.origin === home)
        .filter((target) => report.found(target, page.url));
    } catch (error) {
      if (error instanceof Abort) throw error; // the crawl is over: that says nothing of this link
      const late = error instanceof Timeout;
      report.broken(link, late ? `not answered within ${options.pageTimeout} ms` : reason(error));
      return [];
    }
  }
}

/** Where a link ends, redirects followed. Other sites than `home` are asked for the head only. */
function* follow(link: URL, home: string): Operation<Page> {
  let url = link;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const { response, html } = yield* request(url, url.origin === home ? "GET" : "HEAD");
    if (response.status >= 400) throw new Error(`${response.status} ${response.statusText}`);
    const location = response.headers.get("location");
    if (response.status < 300 || location === null) return { url, html };
    url = new URL(location, url);
    url.hash = "";
  }
  throw new Error(`redirected more than ${maxRedirects} times`);
}

interface Page {
  readonly url: URL;
  /** None for what is no HTML page. */
  readonly html: string | undefined;
}

/**
 * One exchange, from the request to the last byte of the body, under one
 * signal: when a deadline or Ctrl-C ends the wait, it ends the exchange.
 */
function request(url: URL, method: "GET" | "HEAD"): Awaitable<Exchange> {
  return fromPromise(async (signal) => {
    const response = await fetch(url, { method, redirect: "manual", signal });
    const type = response.headers.get("content-type") ?? "";
    const isPage = method === "GET" && response.ok && type.startsWith("text/html");
    if (!isPage) await response.body?.cancel();
    return { response, html: isPage ? await response.text() : undefined };
  });
}

interface Exchange {
  readonly response: Response;
  readonly html: string | undefined;
}

/** Why a link is broken: that a fetch has failed says nothing, but its cause does. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return reason(error.cause);
  return error.message.replace(/^error sending request .*?: client error \(\w+\): /, "");
}

/** What the command does: crawl, show how it goes, and print the report, however it ended. */
function* checkLinks(start: URL, command: Command): Operation<void> {
  const report = new Report(start);
  try {
    yield* withProgress(report, () => crawl(report, command));
  } finally {
    printReport(report, command);
  }
  if (!report.reached) Deno.exitCode = 1;
}

if (import.meta.main) {
  const command = readCommand(Deno.args);
  const { start } = command;
  const program = start === undefined
    ? () => withSite((home) => checkLinks(home, command))
    : () => checkLinks(start, command);
  // Not awaited: a program that is stuck then ends as a Deadlock, which names its fibers.
  main(program, { name: "crawler", handleSignals: true });
}
