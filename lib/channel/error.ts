/** The channel is closed: nothing can be sent any more, or nothing is left to receive. */
export class ChannelClosedError extends Error {
  /** "ChannelClosedError". */
  override name = "ChannelClosedError";
  /** What could not be sent; absent when it was a receive that failed. */
  declare readonly value?: unknown;

  /**
   * The message is "Cannot", then `action` and `channel` (`the channel`, or `channel "jobs"`). The
   * first of `values`, if there is one, becomes the `value`.
   */
  constructor(action: "send to" | "receive from", channel: string, ...values: unknown[]) {
    const how = action === "send to" ? "closed" : "closed and drained";
    super(`Cannot ${action} ${channel}: it is ${how}`);
    if (values.length > 0) this.value = values[0];
  }
}
