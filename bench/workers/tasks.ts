/** What our threads do in the workloads. */
import { serve } from "../../lib/thread/mod.ts";
import { addUp } from "./ndjson.ts";
import { countPrimes } from "./primes.ts";

export default serve({
  tasks: {
    noop: () => {},
    countPrimes: (_state: undefined, from: number, to: number) => countPrimes(from, to),
    addUp: (_state: undefined, lines: Uint8Array) => addUp(lines),
  },
});
