/**
 * The list of workloads. To add one, write it in `workloads/` and name it here, and write what the
 * peers do in `peers/`: the table, the JSON, `deno bench` and the smoke run in the gate follow from
 * this list.
 */
import type { Workload } from "./workload.ts";
import { abortTree } from "./workloads/abort_tree.ts";
import { bufferedStream } from "./workloads/buffered_stream.ts";
import { bundleSize } from "./workloads/bundle_size.ts";
import { chain } from "./workloads/chain.ts";
import { crawlOnThreads, crawlPages } from "./workloads/crawl.ts";
import { crowdRoundTrip, crowdSpawnAbort } from "./workloads/crowd.ts";
import { echoLatencies, echoTimes } from "./workloads/echo.ts";
import { httpRequests } from "./workloads/http.ts";
import { importTime } from "./workloads/import_time.ts";
import { lock, lockAwait, lockCancelled, lockHandOver } from "./workloads/lock.ts";
import { bytesOfHeap, bytesResident } from "./workloads/memory.ts";
import { ndjsonMemory, ndjsonTime } from "./workloads/ndjson.ts";
import { poolCpu, poolIdle } from "./workloads/pool_cpu.ts";
import { poolBurst, poolRoundTrip } from "./workloads/pool_tasks.ts";
import { rendezvous } from "./workloads/rendezvous.ts";
import { select2, select8 } from "./workloads/select.ts";
import { sharedLock } from "./workloads/shared_lock.ts";
import {
  sharedBytes,
  sharedNumbers,
  sharedObjects,
  sharedPooledBytes,
} from "./workloads/shared_stream.ts";
import { sieve } from "./workloads/sieve.ts";
import { sleepers } from "./workloads/sleepers.ts";
import { spawnJoin } from "./workloads/spawn_join.ts";
import { yieldSwitch } from "./workloads/yield_switch.ts";

/** Fibers, channels, `select` and locks, in one thread. */
export const core: readonly Workload[] = [
  yieldSwitch,
  spawnJoin,
  rendezvous,
  bufferedStream,
  select2,
  select8,
  chain,
  sieve,
  abortTree,
  sleepers,
  bytesOfHeap,
  bytesResident,
  crowdRoundTrip,
  crowdSpawnAbort,
  lock,
  lockAwait,
  lockHandOver,
  lockCancelled,
];

/** What needs the network, or a look at the library from outside. */
const outside: readonly Workload[] = [
  ...echoTimes,
  ...echoLatencies,
  ...httpRequests,
  crawlPages,
  crawlOnThreads,
  importTime,
  bundleSize,
];

/** Pools of threads, and channels and locks between them. */
export const threads: readonly Workload[] = [
  poolRoundTrip,
  poolBurst,
  poolCpu,
  poolIdle,
  sharedObjects,
  sharedNumbers,
  sharedBytes,
  sharedPooledBytes,
  sharedLock,
  ndjsonTime,
  ndjsonMemory,
];

export const workloads: readonly Workload[] = [...core, ...outside, ...threads];
