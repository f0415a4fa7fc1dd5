/**
 * The crawler that one writes with async functions and p-limit: it reports what the one in
 * `examples/` does of a site without redirects.
 */
import pLimit from "npm:p-limit@7.3.3";
import type { CrawlOptions } from "../../examples/crawler.ts";
import { linksIn } from "../../examples/crawler/html.ts";
import type { Report } from "../../examples/crawler/report.ts";

/** Crawls the site of `report.start`, and writes down in `report` what it sees. */
export async function crawlAsync(report: Report, options: CrawlOptions): Promise<void> {
  const { concurrency, pageTimeout, timeout } = options;
  const limit = pLimit(concurrency);
  const end = AbortSignal.timeout(timeout);

  const visit = async (link: URL): Promise<void> => {
    const links = await limit(() => check(link));
    await Promise.all(links.map(visit));
  };

  const check = async (link: URL): Promise<URL[]> => {
    try {
      const signal = AbortSignal.any([end, AbortSignal.timeout(pageTimeout)]);
      const response = await fetch(link, { signal });
      const html = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
      report.sound(link);
      if (!report.page(link)) return [];
      return linksIn(html, link)
        .filter((target) => target.origin === report.start.origin)
        .filter((target) => report.found(target, link));
    } catch (error) {
      end.throwIfAborted();
      report.broken(link, String(error));
      return [];
    }
  };

  report.found(report.start);
  await visit(report.start);
  report.ended = "complete";
}
