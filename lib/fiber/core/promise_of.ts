/** A fiber as a promise. */
import type { Fiber } from "./fiber.ts";

/** A promise of the value of `fiber`. A rejection for which `isQuiet` says true needs no handler. */
export function promiseOf<T>(fiber: Fiber<T>, isQuiet: (error: unknown) => boolean): Promise<T> {
  const promise = new Promise<T>((resolve, reject) =>
    fiber.onResult((result) => {
      if (result.ok) return resolve(result.value);
      if (isQuiet(result.error)) promise.catch(() => {});
      reject(result.error);
    })
  );
  return promise;
}
