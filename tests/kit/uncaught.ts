/** What would end the process, the errors that reach the uncaught handler; and what is printed. */
import { setUncaughtHandler } from "@weft/weft/lowlevel";

/** The errors that nobody observed while `f` ran. */
export function uncaughtDuring(f: () => void): unknown[] {
  const errors: unknown[] = [];
  const previous = setUncaughtHandler((error) => void errors.push(error));
  try {
    f();
  } finally {
    setUncaughtHandler(previous);
  }
  return errors;
}

/** The same while `f` runs and for two turns of the host after that. */
export async function uncaughtSoon(f: () => unknown): Promise<unknown[]> {
  const errors: unknown[] = [];
  const previous = setUncaughtHandler((error) => void errors.push(error));
  try {
    await f();
    await hostTurn();
    await hostTurn();
  } finally {
    setUncaughtHandler(previous);
  }
  return errors;
}

/** What `f` prints as warnings, also after what it waits for. */
export async function warningsDuring(f: () => PromiseLike<unknown>): Promise<string[]> {
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => void warnings.push(text);
  try {
    await f();
  } finally {
    console.warn = warn;
  }
  return warnings;
}

/** Lets the host run what it has ready: one macrotask turn, without a wait. */
export function hostTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = () => {
    port1.close();
    port2.close();
    resolve();
  };
  port1.postMessage(undefined);
  return promise;
}
