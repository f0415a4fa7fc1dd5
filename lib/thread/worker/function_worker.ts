/**
 * The module that threads run if they are sent functions, rather than have tasks of the user's
 * module.
 */
import { startServing } from "./server.ts";

startServing(null);
