/** What the system runs and tells: child processes, signals, changes of files. */
export { commandOutput, withCommand } from "./command.ts";
export type { Child, CommandOptions, CommandOutputOptions } from "./command.ts";
export { watchEvent, withWatch } from "./file_watch.ts";
export type { WatchOptions } from "./file_watch.ts";
export { signalEvent, withSignals } from "./os_signals.ts";
