/** An `AbortSignal` that counts what listens to it. */
export interface CountedSignal {
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  /** How many listen now. */
  listeners: number;
  /** How many ever did. */
  added: number;
}

export function countedSignal(): CountedSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const counted: CountedSignal = { controller, signal, listeners: 0, added: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    counted.listeners++;
    counted.added++;
    return addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    counted.listeners--;
    return removeEventListener.apply(signal, args);
  };
  return counted;
}
