/** What the parser threads do. */

import { serve } from "@weft/weft/thread";
import { linksIn } from "./html.ts";

export default serve({
  tasks: {
    linksIn: (_state: undefined, html: string, page: string): string[] =>
      linksIn(html, new URL(page)).map((link) => link.href),
  },
});
