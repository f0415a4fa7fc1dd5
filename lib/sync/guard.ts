/** What the holder of a lock, or of permits, has in hand. */

/**
 * A lock, or permits, that somebody holds. Made by whatever is locked or acquired.
 *
 * `using guard = yield* mutex.lock()` releases it at the end of the block, however that ends.
 */
export interface Guard extends Disposable {
  /**
   * Gives back what it holds, to whoever is first in line. Never suspends.
   *
   * @throws {Error} on the second call: somebody else may hold it by then; while a wait on a condition
   *   has it; and in another fiber than the one that has locked a `Mutex`, or an `RwLock` to write
   */
  release(): void;
  /**
   * Releases it, unless that was done.
   *
   * @throws {Error} as `release` does, except on the second call
   */
  [Symbol.dispose](): void;
}
