/** The command line of the crawler. */

import { parseArgs } from "node:util";
import { exitWithMistake } from "../command_line.ts";
import type { CrawlOptions } from "../crawler.ts";

export interface Command extends CrawlOptions {
  /** Where to start; without one, the crawler's own site. */
  readonly start: URL | undefined;
  readonly json: boolean;
}

const help = `Crawls a web site and checks its links.

  deno task demo [options] [url]

Without a url it crawls a site of its own, which is broken in every usual way.
Ctrl-C ends the crawl and prints what was seen so far; a second one ends it at
once. The exit code is 0 also when links are broken: the report says which. It
is 1 when the url itself cannot be read.

  --concurrency <n>    links visited at a time              (16)
  --max-pages <n>      links visited at most                (10000)
  --page-timeout <ms>  how long one page may take           (3000)
  --timeout <ms>       how long the whole crawl may take    (300000)
  --external           check the links to other sites too, with HEAD
  --json               print the report as JSON
  --help               print this`;

/** What the arguments ask for. Ends the process for `--help` (0) and for a mistake (2). */
export function readCommand(args: string[]): Command {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        "concurrency": { type: "string", default: "16" },
        "max-pages": { type: "string", default: "10000" },
        "page-timeout": { type: "string", default: "3000" },
        "timeout": { type: "string", default: "300000" },
        "external": { type: "boolean", default: false },
        "json": { type: "boolean", default: false },
        "help": { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      console.log(help);
      Deno.exit(0);
    }
    if (positionals.length > 1) {
      throw new TypeError(`Cannot crawl ${positionals.length} sites at once: give one url`);
    }
    return {
      start: positionals[0] === undefined ? undefined : webAddress(positionals[0]),
      concurrency: count("concurrency", values.concurrency),
      maxPages: count("max-pages", values["max-pages"]),
      pageTimeout: count("page-timeout", values["page-timeout"]),
      timeout: count("timeout", values.timeout),
      external: values.external,
      json: values.json,
    };
  } catch (error) {
    exitWithMistake(error);
  }
}

function webAddress(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(`Cannot crawl "${text}": give a whole url, such as https://example.com`);
  }
  url.hash = "";
  return url;
}

function count(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new TypeError(`Cannot use --${option} "${text}": give a whole number from 1 up`);
  }
  return Number(text);
}
