/** The command line of the Mandelbrot renderer. */

import { parseArgs } from "node:util";
import { exitWithMistake } from "../command_line.ts";
import type { Picture } from "../mandelbrot.ts";

export interface Command extends Picture {
  readonly file: string;
}

const help = `Renders the Mandelbrot set.

  deno run --allow-read --allow-write examples/mandelbrot.ts [options] [file]

Writes a PNG, mandelbrot.png if no file is given. Ctrl-C stops it at once.

  --threads <n>   how many threads compute       (all cores)
  --width <n>     the width in pixels            (3000)
  --height <n>    the height in pixels           (two thirds of the width)
  --steps <n>     when a point counts as inside  (1000)
  --help          print this`;

/** What the arguments ask for. Ends the process for `--help` (0) and for a mistake (2). */
export function readCommand(args: string[]): Command {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        "threads": { type: "string", default: String(navigator.hardwareConcurrency) },
        "width": { type: "string", default: "3000" },
        "height": { type: "string" },
        "steps": { type: "string", default: "1000" },
        "help": { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      console.log(help);
      Deno.exit(0);
    }
    if (positionals.length > 1) throw new TypeError("Cannot write more than one file");
    const width = count("width", values.width);
    return {
      file: positionals[0] ?? "mandelbrot.png",
      threads: count("threads", values.threads),
      width,
      height: values.height === undefined
        ? Math.max(1, Math.round(width * 2 / 3)) // all of the set, and little else
        : count("height", values.height),
      steps: count("steps", values.steps),
    };
  } catch (error) {
    exitWithMistake(error);
  }
}

function count(option: string, text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) {
    throw new TypeError(`Cannot use --${option} "${text}": give a whole number from 1 to 99999`);
  }
  return Number(text);
}
