/**
 * The list of workloads. To add one, write it in `workloads/` and name it here: the table, the
 * JSON and the smoke run in the gate follow from this list.
 */
import type { Workload } from "./workload.ts";
import { bufferedStream } from "./workloads/buffered_stream.ts";
import { rendezvous } from "./workloads/rendezvous.ts";
import { select2 } from "./workloads/select.ts";
import { spawnJoin } from "./workloads/spawn_join.ts";
import { yieldSwitch } from "./workloads/yield_switch.ts";

export const workloads: readonly Workload[] = [
  yieldSwitch,
  spawnJoin,
  rendezvous,
  bufferedStream,
  select2,
];
