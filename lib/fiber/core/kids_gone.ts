import { enterProtected } from "../../operation/protected_start.ts";
import { COLD, inherit, type Wait } from "../../operation/wait.ts";
import type { ScopeContext } from "./nursery.ts";

export interface KidsGone extends Wait<void> {}

/** The wait of a nursery for its kids. An abort reaches the kids, never this wait. */
export class KidsGone {
  declare scope: ScopeContext;

  constructor(scope: ScopeContext) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.scope = scope;
  }

  /** It begins in a fiber that is aborting, too. */
  enter(): IteratorResult<never, void> {
    return enterProtected(this);
  }

  /** It is made only while there are kids. */
  couldComplete(): boolean {
    return false;
  }

  attempt(): boolean {
    return this.scope.kids === null;
  }

  enlist(): void {
    this.scope.waiting = this;
  }

  interrupt(): boolean {
    return false;
  }

  withdraw(): void {
    this.scope.waiting = null;
  }

  describe(): string {
    return "the end of what its scope spawned";
  }
}

inherit(KidsGone);
