/** Small programs in processes of their own: how they end is what is tested. */

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script at `url` to its end. */
export async function runScript(url: URL, ...flags: string[]): Promise<Ended> {
  await using script = startScript(url, ...flags);
  return await script.ended;
}

/** A running script. */
export interface Script extends AsyncDisposable {
  /** Resolves when it has written `text` to stdout, or has ended. */
  wrote(text: string): Promise<void>;
  /** What it has written to stdout so far. */
  written(): string;
  kill(signal: Deno.Signal): void;
  readonly ended: Promise<Ended>;
}

/**
 * Starts the script at `url`; one that hangs for half a minute is killed. What comes after a flag
 * `--` are arguments of the script's.
 */
export function startScript(url: URL, ...flags: string[]): Script {
  const args = flags.splice(flags.indexOf("--") >>> 0).slice(1);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...flags, url.href, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const guard = setTimeout(() => child.kill("SIGKILL"), 30_000);
  let stdout = "";
  let onOutput = Promise.withResolvers<void>();
  const reading = read();
  const stderr = new Response(child.stderr).text();

  async function read(): Promise<void> {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      stdout += chunk;
      onOutput.resolve();
      onOutput = Promise.withResolvers();
    }
    onOutput.resolve();
  }

  async function end(): Promise<Ended> {
    const { code, signal } = await child.status;
    clearTimeout(guard);
    await reading;
    return { code, signal, stdout, stderr: await stderr };
  }
  const ended = end();

  return {
    ended,
    async wrote(text) {
      let over = false;
      reading.then(() => over = true);
      while (!stdout.includes(text) && !over) await onOutput.promise;
    },
    written: () => stdout,
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // it has ended already
      }
      await ended;
    },
  };
}
