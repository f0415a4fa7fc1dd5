import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromPromise, main, sleep, spawn } from "@weft/weft";
import { crawl, type CrawlOptions } from "../../examples/crawler.ts";
import { linksIn } from "../../examples/crawler/html.ts";
import { Report, type ReportData } from "../../examples/crawler/report.ts";
import { withSite } from "../../examples/crawler/site.ts";

const options: CrawlOptions = {
  concurrency: 16,
  maxPages: 10_000,
  pageTimeout: 1000,
  timeout: 60_000,
  external: false,
};

/** The report of crawling the example's own site, the addresses in it cut down to paths. */
async function crawlOwnSite(
  changes: Partial<CrawlOptions> & { start?: string; latency?: number } = {},
): Promise<ReportData> {
  const { start = "/", latency = 1, ...rest } = changes;
  return await main(() =>
    withSite(function* (home) {
      const report = new Report(new URL(start, home));
      yield* crawl(report, { ...options, ...rest });
      return JSON.parse(JSON.stringify(report).replaceAll(home.origin, ""));
    }, { latency })
  );
}

const brokenOnOwnSite = [
  { url: "/crash", reason: "500 Internal Server Error", foundOn: ["/page/7"] },
  { url: "/endless", reason: "not answered within 1000 ms", foundOn: ["/page/5"] },
  { url: "/loop/1", reason: "redirected more than 10 times", foundOn: ["/page/23"] },
  { url: "/missing", reason: "404 Not Found", foundOn: ["/page/142", "/page/42"] },
  { url: "/never", reason: "not answered within 1000 ms", foundOn: ["/"] },
  { url: "/retired", reason: "404 Not Found", foundOn: ["/page/8"] },
];

Deno.test("examples/crawler reads every page once and finds every broken link, with the pages it is on", async () => {
  const report = await crawlOwnSite();
  assertEquals(report.broken, brokenOnOwnSite);
  assertEquals(report.ended, "complete");
  assertEquals(report.pages, 300);
  assertEquals(report.links, 300 + brokenOnOwnSite.length + 2); // and /logo.svg and /moved
  assertEquals(report.unchecked, 0);
});

Deno.test("examples/crawler sees the same with a single worker", async () => {
  const report = await crawlOwnSite({ concurrency: 1 });
  assertEquals(report.broken, brokenOnOwnSite);
  assertEquals(report.pages, 300);
});

Deno.test("examples/crawler asks other sites for the head only, when told to ask them at all", async () => {
  const report = await crawlOwnSite({ external: true });
  const elsewhere = report.broken.filter(({ url }) => url.startsWith("http:"));
  assertEquals(elsewhere.length, 1); // the neighbour answers anything but a HEAD of / with a 404
  assertMatch(elsewhere[0]?.url ?? "", /^http:\/\/127\.0\.0\.1:\d+\/gone$/);
  assertEquals(elsewhere[0]?.foundOn, ["/page/11"]);
  assertEquals(report.pages, 300);
  assertEquals(report.links, 300 + brokenOnOwnSite.length + 2 + 2);
});

Deno.test("examples/crawler visits no more links than it may", async () => {
  const report = await crawlOwnSite({ maxPages: 10, start: "/page/1" });
  assertEquals(report.ended, "page limit");
  assertEquals(report.links, 10);
  assert(report.unchecked > 0);
});

Deno.test("examples/crawler ends when the first page is already broken", async () => {
  const report = await crawlOwnSite({ start: "/missing" });
  assertEquals(report.ended, "complete");
  assertEquals(report.pages, 0);
  assertEquals(report.broken, [{ url: "/missing", reason: "404 Not Found", foundOn: [] }]);
});

Deno.test("examples/crawler reports a site that cannot be reached", async () => {
  const gone = await main(() =>
    withSite(function* (home) {
      return home;
    })
  );
  const report = new Report(gone);
  await main(() => crawl(report, options));
  assertEquals(report.ended, "complete");
  assertEquals(report.toJSON().broken.map(({ url }) => url), [report.start.href]);
  // Why, and not merely that the fetch has failed; nor the address again.
  assertMatch(report.toJSON().broken[0]?.reason ?? "", /^(?!.*(fetch failed|http:)).*refused/i);
});

Deno.test("examples/crawler has what it saw so far when the deadline of the crawl strikes", async () => {
  const report = await crawlOwnSite({ timeout: 400, latency: 30 });
  assertEquals(report.ended, "timeout");
  assert(report.pages > 0 && report.pages < 300, `${report.pages} pages`);
  assert(report.unchecked > 0);
  assertEquals(report.broken.filter(({ url }) => url === "/never"), []); // not its own deadline
});

Deno.test("examples/crawler has what it saw so far when it is aborted, and leaves nothing behind", async () => {
  await main(() =>
    withSite(function* (home) {
      const report = new Report(home);
      const crawling = spawn(() => crawl(report, options));
      while (report.links < 50) yield* sleep(1);
      yield* crawling.abort();
      const { ended, links, pages } = report.toJSON();
      assertEquals(ended, "interrupted");
      assert(pages > 0 && pages < 300, `${pages} pages`);
      yield* sleep(50);
      assertEquals(report.links, links);
    }, { latency: 5 })
  );
});

Deno.test("examples/crawler takes every link of a page once, resolved and without its fragment", () => {
  const html = `<head><base href="/docs/"><link rel=stylesheet href=style.css></head>
    <a href="a">, <a href="a#there">, <a href="./b?q=1&amp;r=2">, <A HREF='../c'>, <img src="//cdn.example/d.png">
    <a>, <a href="mailto:me@example.com">, <a href="http://[">, <!-- <a href="no"> --> <script>"<a href='no'>"</script>`;
  assertEquals(
    linksIn(html, new URL("https://example.com/x/y")).map((link) => link.href),
    [
      "https://example.com/docs/style.css",
      "https://example.com/docs/a",
      "https://example.com/docs/b?q=1&r=2",
      "https://example.com/c",
      "https://cdn.example/d.png",
    ],
  );
});

const lock = `--lock=${fileURLToPath(import.meta.resolve("../../examples/crawler/deno.lock"))}`;

function command(...args: string[]): Deno.Command {
  const program = new URL("../../examples/crawler.ts", import.meta.url).href;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", lock, "--allow-net", "--allow-read", program, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function output(
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await command(...args).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("examples/crawler --json prints the report of the site at a url as data, and nothing else, on stdout", async () => {
  await main(() =>
    withSite(function* (home) {
      const { code, stdout } = yield* fromPromise(
        output("--json", "--page-timeout", "1000", home.href),
      );
      const report: ReportData = JSON.parse(stdout.replaceAll(home.origin, ""));
      assertEquals(code, 0);
      assertEquals(report.start, "/");
      assertEquals(report.ended, "complete");
      assertEquals(report.pages, 300);
      assertEquals(report.broken, brokenOnOwnSite);
      assert(report.pagesPerSecond > 0);
    }, { latency: 1 })
  );
});

Deno.test("examples/crawler exits with 1 if the url itself cannot be read, and says why", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/`;
  listener.close();
  const refused = await output("--json", url);
  assertEquals(refused.code, 1, refused.stderr);
  const report: ReportData = JSON.parse(refused.stdout);
  assertEquals(report.broken.map(({ url }) => url), [url]);

  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("", { status: 404 }),
  );
  const missing = await output(`http://127.0.0.1:${server.addr.port}/`);
  assertEquals(missing.code, 1, missing.stderr);
  assertStringIncludes(missing.stdout, "404 Not Found");
  await server.shutdown();
});

Deno.test("examples/crawler without a url crawls its own site, and writes plain lines when piped", async () => {
  const { code, stdout, stderr } = await output("--page-timeout", "2000");
  assertEquals(code, 0);
  assertMatch(
    stdout,
    /^Crawled http:\/\/127\.0\.0\.1:\d+\/\n {2}300 pages in [\d.]+ s, \d+ pages per second\n/,
  );
  assertStringIncludes(stdout, "308 links checked, 0 not; 6 broken");
  assertMatch(stdout, /\/missing\n {4}404 Not Found\n {4}on .*\/page\/142\n {4}on .*\/page\/42\n/);
  assertMatch(stderr, /^(\d+ of \d+ links, \d+ broken\n)+$/);
  assertStringIncludes(stderr, "308 of 308 links, 6 broken");
});

for (const [signal, exitCode] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`examples/crawler ends at once on ${signal}, with the report so far and exit code ${exitCode}`, async () => {
    await using child = command("--json", "--concurrency", "4").spawn();
    const stdout = new Response(child.stdout).text();
    const stderr = child.stderr.getReader();
    await stderr.read(); // the first line of progress
    const killedAt = performance.now();
    child.kill(signal);
    while (!(await stderr.read()).done) continue;
    const { code } = await child.status;
    assertEquals(code, exitCode);
    assert(performance.now() - killedAt < 3000);
    const report: ReportData = JSON.parse(await stdout);
    assertEquals(report.ended, "interrupted");
    assert(report.pages > 0 && report.pages < 300, `${report.pages} pages`);
    assert(report.unchecked > 0);
  });
}

Deno.test("examples/crawler --help says what can be said, and exits with 0", async () => {
  const { code, stdout, stderr } = await output("--help");
  assertEquals(code, 0);
  assertEquals(stderr, "");
  for (
    const option of "concurrency max-pages page-timeout timeout external json help".split(" ")
  ) {
    assertStringIncludes(stdout, `--${option}`);
  }
});

Deno.test("examples/crawler says what is wrong with its arguments, and exits with 2", async () => {
  const mistakes: [args: string[], message: string][] = [
    [["--concurrency", "none"], 'Cannot use --concurrency "none"'],
    [["--max-pages", "0"], 'Cannot use --max-pages "0"'],
    [["--page-timeout", "1.5"], 'Cannot use --page-timeout "1.5"'],
    [["--timeout=-1"], 'Cannot use --timeout "-1"'],
    [["--colour"], "Unknown option '--colour'"],
    [["example.com"], 'Cannot crawl "example.com"'],
    [["file:///etc/hosts"], 'Cannot crawl "file:///etc/hosts"'],
    [["http://a.example", "http://b.example"], "give one url"],
  ];
  await Promise.all(mistakes.map(async ([args, message]) => {
    const { code, stdout, stderr } = await output(...args);
    assertEquals(code, 2, stderr);
    assertEquals(stdout, "");
    assertStringIncludes(stderr, message);
    assertMatch(stderr, /^.+\n$/); // one line
  }));
});
