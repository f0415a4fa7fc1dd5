/**
 * The body of a response that fibers are still making: it breaks off when they do, so that the
 * client doesn't take it for complete, and they are told when the client goes away.
 */

/** What a body fails with when those who made it have. `cause`: what they failed with. */
class BrokenOff extends Error {
  constructor(cause: unknown) {
    super("The body of the response broke off", { cause });
  }
}

/** Whether it says only what was told elsewhere. */
export function isBrokenOff(error: unknown): boolean {
  return error instanceof BrokenOff;
}

/** A response whose body can be broken off. */
export interface GuardedResponse {
  readonly response: Response;
  /** Does nothing once the body has ended. */
  readonly breakOff: (error: unknown) => void;
}

/** The same response, whose body, which it has, can be broken off; `onGone`: nobody reads it. */
export function guardBody(response: Response, onGone: () => void): GuardedResponse {
  const reader = response.body!.getReader();
  let controller: ReadableStreamDefaultController<Uint8Array>;
  let isOpen = true;
  const body = new ReadableStream<Uint8Array>({
    start(own) {
      controller = own;
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!isOpen) return;
      isOpen = !done;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      isOpen = false;
      onGone();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return {
    response: new Response(body, response),
    breakOff(cause) {
      if (!isOpen) return;
      isOpen = false;
      const error = new BrokenOff(cause);
      controller.error(error);
      reader.cancel(error).catch(() => {}); // those who could be told have ended
    },
  };
}
