/** What the primitives of this room have in common: a name. */
import { checkOptions } from "../internal/check.ts";

/** How a primitive is made. */
export interface SyncOptions {
  /** For people: shown in errors, and where a `Deadlock` says what a fiber waits on. */
  name?: string;
}

/**
 * What a primitive of this `kind` is called: `barrier "sync"`, say, or just `barrier`.
 *
 * @throws {TypeError} if the options are none, or the name is not a string
 */
export function titleOf(kind: string, options: SyncOptions | undefined): string {
  checkOptions(`make the ${kind}`, options, { name: "string" });
  const name = options?.name;
  return name === undefined ? kind : `${kind} "${name}"`;
}
