/** What our threads do in the workloads. */
import { serve } from "../../lib/thread/mod.ts";
import { countPrimes } from "./primes.ts";

export default serve({
  tasks: {
    noop: () => {},
    countPrimes: (_state: undefined, from: number, to: number) => countPrimes(from, to),
  },
});
