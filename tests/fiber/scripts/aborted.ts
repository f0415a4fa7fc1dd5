/** A program that is aborted, which nobody waits for. */
import { main, sleep } from "@weft/weft";

const program = main(() => sleep(1e9));
setTimeout(() => program.abort("enough"), 1);
