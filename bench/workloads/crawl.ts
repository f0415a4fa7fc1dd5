/**
 * A crawl of a site that is served by a process of its own: by the crawler in `examples/`, against
 * the one that is written with async functions and p-limit. Both parse a page where they have read
 * it. In `/threads` ours is the whole example, which starts threads that parse, and ends them; small
 * pages don't pay for that.
 */
import { crawl, type CrawlOptions, crawlWith } from "../../examples/crawler.ts";
import { Report } from "../../examples/crawler/report.ts";
import { main, type Operation } from "../../mod.ts";
import { expectTotal, type Workload } from "../workload.ts";

const options: CrawlOptions = {
  concurrency: 16,
  maxPages: 1_000_000,
  pageTimeout: 3000,
  timeout: 300_000,
  external: false,
};

type Crawl = (report: Report) => Operation<void>;

export const crawlPages = crawlBy("crawl", 1.0, async () => {
  const { linksIn } = await import("../../examples/crawler/html.ts");
  function* parse(html: string, url: URL) {
    return linksIn(html, url).map(({ href }) => href);
  }
  return (report) => crawlWith(parse, report, options);
});

export const crawlOnThreads = crawlBy(
  "crawl/threads",
  null,
  () => (report) => crawl(report, options),
);

function crawlBy(
  name: string,
  target: number | null,
  load: () => Crawl | Promise<Crawl>,
): Workload {
  return {
    name,
    unit: "page",
    size: { full: 3000, smoke: 20 },
    targets: { "p-limit": target },
    run: {
      weft: async (pages) => {
        const crawl = await load();
        return await crawlSite(pages, (report) => main(() => crawl(report)));
      },
      "p-limit": async (pages) => {
        const { crawlAsync } = await import("../peers/async_crawler.ts");
        return await crawlSite(pages, (report) => crawlAsync(report, options));
      },
    },
  };
}

async function crawlSite(
  pages: number,
  crawl: (report: Report) => PromiseLike<void>,
): Promise<number> {
  const home = await (site ??= serve(pages));
  const report = new Report(home);
  const start = performance.now();
  await crawl(report);
  const end = performance.now();
  const { pages: read, broken, unchecked } = report.toJSON();
  expectTotal(read, pages);
  expectTotal(broken.length, Math.ceil(pages / 50));
  expectTotal(unchecked, 0);
  return (end - start) * 1e6;
}

let site: Promise<URL> | undefined;

/** It ends with this process. */
async function serve(pages: number): Promise<URL> {
  const program = import.meta.resolve("../crawl_site.ts");
  const { stdout } = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", program, `${pages}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const { value } = await stdout.pipeThrough(new TextDecoderStream()).getReader().read();
  return new URL(`http://127.0.0.1:${value?.trim()}/0`);
}
