/** The channel is closed: nothing can be sent any more, or nothing is left to receive. */
export class ChannelClosedError extends Error {
  /** "ChannelClosedError". */
  override name = "ChannelClosedError";
  /** What could not be sent; absent when it was a receive that failed. */
  declare readonly value?: unknown;

  /** `action` completes "Cannot … the channel". */
  constructor(action: "send to" | "receive from", ...values: unknown[]) {
    super(
      action === "send to"
        ? "Cannot send to the channel: it is closed"
        : "Cannot receive from the channel: it is closed and drained",
    );
    if (values.length > 0) this.value = values[0];
  }
}
