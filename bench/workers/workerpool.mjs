/** What workerpool's threads do. */
import workerpool from "npm:workerpool@10.0.3";

workerpool.worker({ noop: () => {} });
