/** The module of threads that run functions instead of tasks of a module. */
import { startServing } from "./server.ts";

startServing(null);
