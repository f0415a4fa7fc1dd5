/**
 * This realm's ports to what threads share: one for each piece of memory, however many handles of
 * it arrive, so that all who wait here stand in one line. A port that nobody refers to is
 * forgotten.
 */
export class Ports<P extends object> {
  readonly #known: Map<string, WeakRef<P>> = new Map();
  readonly #forgotten = new FinalizationRegistry((token: string) => {
    if (this.#known.get(token)?.deref() === undefined) this.#known.delete(token);
  });

  /** The port to the memory with this token, which `make` makes if there is none. */
  find(token: string, make: () => P): P {
    const known = this.#known.get(token)?.deref();
    if (known !== undefined) return known;
    const port = make();
    this.#known.set(token, new WeakRef(port));
    this.#forgotten.register(port, token);
    return port;
  }
}
