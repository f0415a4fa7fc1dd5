/** Which links an HTML page holds. */

import { Parser } from "npm:htmlparser2@12.0.0";

/** The elements that refer to another resource, and where they say which. */
const reference: Readonly<Record<string, string>> = {
  a: "href",
  area: "href",
  iframe: "src",
  img: "src",
  link: "href",
  script: "src",
};

/**
 * The web addresses a page refers to, each once and without its fragment.
 * Relative ones are resolved against the page's `<base>`, else its own address;
 * `mailto:` and the like are left out, and so is what is no address at all.
 */
export function linksIn(html: string, page: URL): URL[] {
  const links = new Map<string, URL>();
  let base = page;
  const parser = new Parser({
    onopentag(name, attributes) {
      if (name === "base") base = URL.parse(attributes.href ?? "", page) ?? page;
      const target = attributes[reference[name] ?? ""];
      const link = target === undefined ? null : URL.parse(target, base);
      if (link === null || !/^https?:$/.test(link.protocol)) return;
      link.hash = "";
      links.set(link.href, link);
    },
  });
  parser.end(html);
  return [...links.values()];
}
