/**
 * Reading from many sockets, each in its turn.
 *
 * Deno reads at once what is there already, and looks for other sockets when it has nothing else to
 * do, or a few times a second (see `hop.ts`). So in a server with more to do than it can, the few
 * connections with fast clients would be served again and again, while the others starve. Hence, if
 * many are at work, all reads wait now and then until the host has looked.
 */
import { hopFar } from "../../loop/hop.ts";
import { clock } from "../../loop/timers.ts";
import type { Reader } from "../bytes/mod.ts";

/** For how long reads go on before the host looks. */
const LOOK_MS = 2;

/** How often one connection reads after another one between two looks at the clock. */
const CHANGES = 16;

/** Shared by the connections of this realm. */
export class FairReads {
  #last: Reader | undefined;
  #changes = 0;
  #lastLook = 0;
  #looking: Promise<void> | undefined;

  /** `connection.read(buffer)`, in its turn. */
  read(connection: Reader, buffer: Uint8Array): Promise<number | null> {
    if (this.#looking === undefined && !this.#isDue(connection)) return connection.read(buffer);
    this.#looking ??= this.#look();
    return this.#looking.then(() => connection.read(buffer));
  }

  /** Forgets it: it is closed. */
  forget(connection: Reader): void {
    if (this.#last === connection) this.#last = undefined;
  }

  #isDue(connection: Reader): boolean {
    if (connection === this.#last) return false;
    this.#last = connection;
    if (++this.#changes < CHANGES) return false;
    this.#changes = 0;
    return clock() - this.#lastLook >= LOOK_MS;
  }

  #look(): Promise<void> {
    return new Promise((resolve) => {
      hopFar(() => {
        this.#looking = undefined;
        this.#lastLook = clock();
        resolve();
      });
    });
  }
}
