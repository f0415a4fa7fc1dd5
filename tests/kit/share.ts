/** The share of ready operations (law 10), set by tests. */
import { limitShare, share } from "../../lib/fiber/core/share.ts";

/** How many operations a fiber may complete at once in a step, where the clock has no say. */
export const REAL_SHARE = share.count;

/** Runs `body` with a share of `count` operations for every fiber that is spawned in it. */
export function withShare<T>(count: number, body: () => T): T {
  limitShare(count);
  try {
    return body();
  } finally {
    limitShare(undefined);
  }
}

/** The same until the promise settles that `body` returns. */
export async function withShareUntil<T>(count: number, body: () => PromiseLike<T>): Promise<T> {
  limitShare(count);
  try {
    return await body();
  } finally {
    limitShare(undefined);
  }
}
