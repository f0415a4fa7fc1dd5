/** A program that prints how much processor time it used while its pool had nothing to do. */
import { main, map, sleep } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";

/** Of the whole process, its threads included, in ms. */
function used(): number {
  const [, stat] = Deno.readTextFileSync("/proc/self/stat").split(") ");
  const fields = stat!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10; // a tick is 10 ms
}

main(function* () {
  const pool = yield* ThreadPool.make({ size: 4 });
  yield* map(Array.from({ length: 2000 }, (_, i) => i), (i) => pool.run((_, i: number) => i, i));
  yield* sleep(500); // what it does right after work is not idling
  const before = used();
  yield* sleep(2000);
  console.log(used() - before);
  yield* pool.close();
});
