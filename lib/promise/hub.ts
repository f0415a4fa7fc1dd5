/**
 * One reaction per promise, with waiters that can leave.
 *
 * A promise keeps every reaction until it settles, so a promise that lives long would hold on to
 * every cancelled wait. So each promise gets one hub, which reacts once and serves a list of
 * waiters. As the hub handles the rejection, a cancelled wait leaves no unhandled one behind.
 */
import { OnceEvent } from "../operation/event_constructors.ts";

/** A constructor that returns the object it is given: private fields of a subclass are added to it. */
const Given = function (object: object) {
  return object;
} as unknown as new (object: object) => object;

/**
 * A promise with its hub in a private field, which nobody else sees. A `WeakMap` would do, too; but
 * where each promise is waited for once, the collector takes as long for the map's dead entries as
 * for all the rest of an HTTP request. (Should engines forbid it for frozen objects, as is proposed,
 * frozen promises will need such a map; a test watches that.)
 */
class Watched extends Given {
  readonly #hub = new OnceEvent("a promise"); // there before `then` is called: a thenable may wait for itself

  constructor(promise: PromiseLike<unknown>) {
    super(promise);
    const fail = (error: unknown) => this.#hub.happen({ ok: false, error });
    try {
      promise.then((value) => this.#hub.happen({ ok: true, value }), fail);
    } catch (error) { // a thenable; if it has settled before, that stands, as for `await`
      fail(error);
    }
  }

  /** The hub of `promise`, made when it is first asked for. */
  static hubOf(promise: PromiseLike<unknown> | Watched): OnceEvent {
    return (#hub in promise ? promise : new Watched(promise)).#hub;
  }
}

export const hubOf: (promise: PromiseLike<unknown>) => OnceEvent = Watched.hubOf;
