/** A program that makes a pool of each of the modules in its arguments, and prints how that fails. */
import { ThreadPool } from "@weft/weft/thread";

/** With what `ThreadPool.make()` failed. */
export interface MakeFailure {
  readonly isError: boolean;
  readonly className: string;
  readonly message: string;
}

async function failureOf(module: string): Promise<MakeFailure> {
  try {
    const pool = await ThreadPool.make(module, { size: 2 });
    await pool.close();
    return { isError: false, className: "", message: "a pool was made" };
  } catch (error) {
    const { name, message } = error as Error;
    return { isError: error instanceof Error, className: name, message };
  }
}

if (import.meta.main) {
  const failures: MakeFailure[] = [];
  for (const module of Deno.args) failures.push(await failureOf(module));
  console.log(JSON.stringify(failures));
}
