/** A web site to crawl, served on loopback: 300 sound pages, and every usual way to be broken. */

import {
  type Awaitable,
  cancelScope,
  Event,
  fromPromise,
  type Operation,
  scope,
  sleep,
} from "@weft/weft";

/** The numbered pages are a tree of decimal digits under the home page: 1 holds 10 to 19, and so on. */
const lastPage = 299;

/** What is linked to besides, and where. */
const extraLinks: Readonly<Record<string, readonly string[]>> = {
  "/": ["/never", "mailto:nobody@example.com"],
  "/page/3": ["/moved"],
  "/page/5": ["/endless"],
  "/page/7": ["/crash"],
  "/page/8": ["/retired"],
  "/page/23": ["/loop/1"],
  "/page/42": ["/missing"],
  "/page/142": ["/missing#there", "../missing"],
};

/** Serves the site for as long as `body` runs; a page takes it `latency` ms, every tenth page ten times that. */
export function* withSite<T>(
  body: (home: URL) => Operation<T>,
  { latency = 50 }: { readonly latency?: number } = {},
): Generator<never, T, unknown> {
  let value!: T;
  yield* cancelScope((answers) =>
    scope(function* (site) {
      const address = { hostname: "127.0.0.1", port: 0, onListen() {}, onError: goingDown };
      const neighbour = Deno.serve(address, ({ method, url }) => {
        const known = method === "HEAD" && new URL(url).pathname === "/";
        return new Response(null, { status: known ? 204 : 404 });
      });
      site.onRelease(() => fromPromise(neighbour.shutdown()));
      const elsewhere = `http://127.0.0.1:${neighbour.addr.port}`;
      const server = Deno.serve(
        address,
        async ({ url }) =>
          await site.spawn(() => answer(new URL(url).pathname, elsewhere, latency)),
      );
      site.onRelease(() => fromPromise(server.shutdown()));
      value = yield* body(new URL(`http://127.0.0.1:${server.addr.port}/`)) as Awaitable<T>;
      answers.cancel(); // whoever still waits for a page that never answers
    })
  );
  return value;
}

function* answer(path: string, elsewhere: string, latency: number): Operation<Response> {
  yield* sleep(path.endsWith("0") ? 10 * latency : latency);
  switch (path) {
    case "/logo.svg":
      return send(`<svg xmlns="http://www.w3.org/2000/svg"/>`, "image/svg+xml");
    case "/moved":
      return redirectTo("/page/1");
    case "/retired":
      return redirectTo("/gone"); // and that is nowhere
    case "/loop/1":
      return redirectTo("/loop/2");
    case "/loop/2":
      return redirectTo("/loop/1");
    case "/crash":
      return new Response("Oops", { status: 500 });
    case "/endless":
      return send(new ReadableStream({ start: (body) => body.enqueue(firstBytes) }), "text/html");
    case "/never":
      return yield* Event.never();
    default: {
      const number = pageNumber(path);
      if (number === undefined) return new Response("Nothing here", { status: 404 });
      const strangers = number === 11 ? [`${elsewhere}/`, `${elsewhere}/gone`] : [];
      return send(page(path, number, strangers), "text/html; charset=utf-8");
    }
  }
}

/** To whoever still waited when the site went down. */
const goingDown = () => new Response(null, { status: 503 });

const firstBytes = new TextEncoder().encode("<p>It begins well");

function send(body: BodyInit, type: string): Response {
  return new Response(body, { headers: { "content-type": type } });
}

function redirectTo(location: string): Response {
  return new Response(null, { status: 302, headers: { location } });
}

/** Which page has this path; the home page is number 0, and no page `undefined`. */
function pageNumber(path: string): number | undefined {
  if (path === "/") return 0;
  const number = Number(/^\/page\/([1-9]\d*)$/.exec(path)?.[1]);
  return number <= lastPage ? number : undefined;
}

function page(path: string, number: number, strangers: readonly string[]): string {
  const below = Array.from({ length: 10 }, (_, digit) => 10 * number + digit)
    .filter((child) => child > number && child <= lastPage)
    .map((child) => `/page/${child}`);
  const next = number < lastPage ? [`/page/${number + 1}#top`] : [];
  const links = ["/", ...below, ...next, ...extraLinks[path] ?? [], ...strangers];
  return `<!doctype html>
<title>Page ${number}</title>
<img src="/logo.svg" alt="">
<ul>${links.map((link) => `<li><a href="${link}">${link}</a>`).join("\n")}</ul>`;
}
