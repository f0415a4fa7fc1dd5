/** A lock that is a token in a channel: who has received it holds the lock. */
import type { Event } from "@weft/weft";
import { SharedChannel, type SharedChannelHandle } from "@weft/weft/thread";
import type { Lock } from "../examples/foreign/contenders.ts";

export class TokenLock implements Lock {
  readonly #guard: Disposable;

  constructor(readonly tokens: SharedChannel<null>) {
    this.#guard = {
      [Symbol.dispose]() {
        if (!tokens.trySend(null)) throw new Error("the lock was released twice");
      },
    };
  }

  static make(): TokenLock {
    const tokens = new SharedChannel<null>({ capacity: 1 });
    tokens.trySend(null);
    return new TokenLock(tokens);
  }

  static from(handle: SharedChannelHandle): TokenLock {
    return new TokenLock(SharedChannel.from<null>(handle));
  }

  lock(): Event<Disposable> {
    return this.lockEvent();
  }

  lockEvent(): Event<Disposable> {
    return this.tokens.receiveEvent().map(() => this.#guard);
  }

  tryLock(): Disposable | undefined {
    return this.tokens.tryReceive() && this.#guard;
  }
}
