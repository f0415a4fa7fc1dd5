/** The processes that the contenders run in, and how to talk to them: a line there, a line back. */
import { fileURLToPath } from "node:url";
import type { Workload } from "./workload.ts";

const bench = new URL("./", import.meta.url);

/** For each `deno` that is started here: which versions of the peers, and of what they need. */
export const lock = `--lock=${fileURLToPath(new URL("deno.lock", bench))}`;

/** A contender in a process of its own, which lives until it is ended. */
export class Program {
  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<string>;

  /** Starts it; `goProgram` is the file to run if it is the one of Go's. */
  constructor(workload: Workload, contender: string, goProgram: string | undefined) {
    this.#name = `${contender} in ${workload.name}`;
    this.#process = command(workload, contender, goProgram).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Waits until it can run. */
  async ready(): Promise<void> {
    await this.#answer();
  }

  /** A run of `size`: what it cost. */
  async run(size: number): Promise<number> {
    await this.#input.write(new TextEncoder().encode(`${size}\n`));
    const cost = Number(await this.#answer());
    if (!Number.isFinite(cost)) throw new Error(`${this.#name} did not say what it cost`);
    return cost;
  }

  /** Ends it, unless it has failed; who waited for an answer knows. */
  async end(): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#output.cancel();
    await this.#process.status;
  }

  async #answer(): Promise<string> {
    let line = "";
    while (!line.endsWith("\n")) {
      const { done, value } = await this.#output.read();
      if (done) throw new Error(`${this.#name} failed`); // and said why, on stderr
      line += value;
    }
    return line;
  }
}

function command(
  workload: Workload,
  contender: string,
  goProgram: string | undefined,
): Deno.Command {
  const pipes = { stdin: "piped", stdout: "piped", stderr: "inherit" } as const;
  if (contender === "go") {
    const env = { GOMAXPROCS: "1" };
    return new Deno.Command(goProgram ?? "", { args: [workload.name], env, ...pipes });
  }
  const flags = workload.flags ?? [];
  const program = new URL("contender.ts", bench).href;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", lock, "--allow-all", ...flags, program, workload.name, contender],
    ...pipes,
  });
}

/**
 * Compiles the program of Go's into `folder`: its file, and the version of Go; undefined where
 * there is no Go.
 */
export async function buildGo(
  folder: string,
): Promise<{ readonly program: string; readonly version: string } | undefined> {
  const program = `${folder}/weft-bench-go`;
  try {
    await output("go", ["build", "-o", program, "."], new URL("peers/go/", bench));
    return { program, version: await output("go", ["env", "GOVERSION"]) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What a command prints. */
export async function output(program: string, args: string[], cwd = bench): Promise<string> {
  const { success, stdout } = await new Deno.Command(program, { args, cwd, stderr: "inherit" })
    .output();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout).trim();
}
