/** `deno bench bench/core_bench.ts`: fibers, channels and `select`. Asks for no permission. */
import { register } from "./register.ts";
import { core } from "./registry.ts";

register(core);
