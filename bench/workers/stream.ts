/** The sending end of a stream: as many values as it is asked for, through one of two channels. */
import { main } from "../../mod.ts";
import { SharedChannel, type SharedChannelHandle } from "../../lib/thread/mod.ts";
import { type ValueKind, valueOf } from "./values.ts";

/** What it is told. */
export interface StreamOrder {
  readonly kind: ValueKind;
  readonly count: number;
  /** Without one it posts messages. */
  readonly channel?: SharedChannelHandle;
}

const worker = self as unknown as Worker;

worker.onmessage = ({ data }: MessageEvent<StreamOrder>) => {
  const { kind, count, channel } = data;
  if (channel === undefined) {
    for (let i = 0; i < count; i++) worker.postMessage(valueOf(kind, i));
  } else {
    const there = SharedChannel.from(channel);
    main(function* () {
      for (let i = 0; i < count; i++) yield* there.send(valueOf(kind, i));
    });
  }
};
worker.postMessage("ready");
