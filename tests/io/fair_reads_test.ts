import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Reader } from "@weft/weft/io";
import { FairReads } from "../../lib/io/net/fair_reads.ts";
import { microtasks } from "../kit/fake_time.ts";

/** A connection that always has a byte, and counts how often it was read from. */
class Busy implements Reader {
  reads = 0;
  read(): Promise<number | null> {
    this.reads++;
    return Promise.resolve(1);
  }
}

const buffer = new Uint8Array(1);
/** More than pass between two looks at the clock. */
const MANY = 100;

/** Reads from one after the other until a read has to wait: that one. */
async function readUntilOneWaits(fair: FairReads, connections: readonly Busy[]) {
  for (let n = 0; n < MANY; n++) {
    const connection = connections[n % connections.length]!;
    const { reads } = connection;
    const reading = fair.read(connection, buffer);
    if (connection.reads === reads) return { connection, reading };
    await reading;
  }
  throw new Error("no read waited");
}

Deno.test("law 10: of many busy connections all wait now and then, until the host has looked", async () => {
  const fair = new FairReads();
  const connections = [new Busy(), new Busy(), new Busy()];
  const { connection, reading } = await readUntilOneWaits(fair, connections);
  const [first, ...others] = connections.filter((other) => other !== connection);
  const alsoWaiting = others.map((other) => fair.read(other, buffer));
  const before = [connection, ...others].map(({ reads }) => reads);
  await microtasks();
  assertEquals([connection, ...others].map(({ reads }) => reads), before);

  assertEquals(await Promise.all([reading, ...alsoWaiting]), [1, 1]);
  assertEquals([connection, ...others].map(({ reads }) => reads), before.map((reads) => reads + 1));
  const { reads } = first!;
  await fair.read(first!, buffer); // and goes on
  assertStrictEquals(first!.reads, reads + 1);
});

Deno.test("FairReads.read() never waits where there is but one connection at work", async () => {
  const fair = new FairReads();
  const [busy, idle] = [new Busy(), new Busy()];
  for (let n = 1; n <= MANY; n++) {
    const reading = fair.read(busy, buffer);
    assertEquals(busy.reads, n);
    await reading;
  }
  await fair.read(idle, buffer);
  assertEquals(idle.reads, 1);
});

Deno.test("FairReads.read() fails as the connection does, if that was closed while it waited", async () => {
  const fair = new FairReads();
  const connections = [new Busy(), new Busy()];
  const { connection, reading } = await readUntilOneWaits(fair, connections);
  const error = new Error("closed");
  connection.read = () => Promise.reject(error);
  assertStrictEquals(await assertRejects(() => reading), error);
});
