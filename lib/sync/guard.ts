/** What whoever holds something has in hand. */

/**
 * Says that its owner holds something: a mutex, or permits of a semaphore. One-shot.
 *
 * With `using` it is released at the end of the block, unless that was done before.
 */
export interface Guard extends Disposable {
  /**
   * Gives back what is held. Never suspends.
   *
   * @throws {Error} if it was released already
   */
  release(): void;
}
