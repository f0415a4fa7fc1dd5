/**
 * Shared channels under load. `STRESS=20000000 deno task test tests/stress/shared_channel_test.ts`
 * sends that many messages instead, and prints the figures; `SEED` makes other choices.
 */
import { assertEquals } from "@std/assert";
import { stress } from "./shared_channel.ts";

const scaled = Deno.env.get("STRESS");
const messages = Number(scaled ?? 60_000);
const seed = Number(Deno.env.get("SEED") ?? 1);

const kinds: { capacity: number; share?: number }[] = [
  { capacity: 1 },
  { capacity: 64 },
  { capacity: 64, share: 1 },
  { capacity: 64, share: 2 },
];

for (const { capacity, ...share } of kinds) {
  const named = share.share === undefined ? "" : `, law 10: a share of ${share.share}`;
  Deno.test(`law 4, law 7, T43${named}: many threads, capacity ${capacity}: no message is lost, doubled or out of order, whoever dies`, async () => {
    const size = {
      ...share,
      messages: capacity === 1 ? messages / 20 : messages,
      senders: 3,
      receivers: 3,
      capacity,
      deaths: scaled === undefined ? 3 : 24,
      seed,
    };
    const figures = await stress(size);
    if (scaled !== undefined) console.log(figures);
    const { sent, received, lost, doubled, left } = figures;
    assertEquals({ lost, doubled, received, left }, {
      lost: 0,
      doubled: 0,
      received: sent,
      left: { size: 0, sendersWaiting: 0 },
    });
  });
}
