/**
 * The rule of whoever waits in a line of this thread (`waiting_line.ts`) for something in shared
 * memory.
 *
 * Nobody is ever handed anything. A ring says that what is waited for may be ready; whoever is
 * woken looks again, and a compare-and-set in shared memory decides. So these events are custom
 * ones, which a select attempts again when it is woken. The rules of a look:
 *
 *  - Whose turn it is: those in line come first, so a wait looks only if nobody is in line, or if
 *    one of its own nodes there says so (`mayLook`).
 *  - A look in vain: its node must wait to be woken again (`sleepOn`), or a later ring would be
 *    lost on a waiter that is taken for one that is still going to look.
 *  - Success: the wait is committed *before* it leaves the line. Leaving wakes the next one, who
 *    may be a task of a scheduler that resumes it there and then, and which might cancel this one.
 */
import type { CancelHandle } from "../../operation/types.ts";
import { EventBase, type WaitNode } from "../../operation/event.ts";
import type { RuleWait } from "../../operation/rule_wait.ts";
import { CUSTOM, SelectWait } from "../../operation/select_wait.ts";
import { COMMITTED, FAILED, type Wait, WAITING } from "../../operation/wait.ts";
import { holderFor, LineNode, type WaitingLine } from "./waiting_line.ts";

/** See the module comment. */
export abstract class LineEvent<T> extends EventBase<T> {
  constructor(readonly line: WaitingLine, readonly need = 1) {
    super();
  }

  override kind(): number {
    return CUSTOM;
  }

  override enlist(node: WaitNode): void {
    const inLine = new LineNode(this.line, node, this.need);
    node.handle = inLine; // first: it may be woken, and look, before it is back from `enter`
    inLine.enter(holderFor(node.waiter));
  }

  /** An operation looks again; a select calls `attempt`, and does the rest itself. */
  override recheck(node: WaitNode, wait: Wait<unknown>): boolean {
    try {
      if (!this.attempt(wait)) return false;
      if (wait.state === WAITING) wait.state = COMMITTED;
    } catch (error) { // of a codec's, say: the item is one that nobody could have received
      wait.value = error;
      wait.state = FAILED;
    }
    this.withdraw(node);
    return true;
  }

  protected mayLook(wait: Wait<unknown>): boolean {
    const { line } = this;
    return line.first === null || this.#nodesOf(wait).some((node) => line.mayLook(node));
  }

  /** With the first of its nodes that were woken go those that were woken after it: all of them. */
  protected sleepOn(wait: Wait<unknown>): void {
    const node = this.wokenNode(wait);
    if (node !== undefined) this.line.waitOn(node);
  }

  /** The first of its nodes that was woken, if it is in line and any was. */
  protected wokenNode(wait: Wait<unknown>): LineNode | undefined {
    if (wait.state !== WAITING) return undefined; // it isn't in line yet
    return this.#nodesOf(wait).find(({ woken }) => woken);
  }

  /** Where `wait` is in this line: an operation once, a select as often as it has arms there. */
  #nodesOf(wait: Wait<unknown>): LineNode[] {
    const nodes = wait instanceof SelectWait ? wait.arms : [wait as unknown as RuleWait<unknown>];
    return nodes.map(({ handle }) => handle).filter((handle) => this.#isHere(handle));
  }

  #isHere(handle: CancelHandle | null): handle is LineNode {
    return handle instanceof LineNode && handle.line === this.line;
  }
}
