/** The clients of a server's workload, in a process of their own: a line there, a line back. */

export class Clients {
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<string>;

  /** Starts `program`, a URL. It ends with the process that it has its commands from. */
  constructor(program: string) {
    const { stdin, stdout } = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-net", program],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = stdin.getWriter();
    this.#output = stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The numbers that they answer `command` with. */
  async ask(command: string): Promise<number[]> {
    await this.#input.write(new TextEncoder().encode(`${command}\n`));
    const { value = "" } = await this.#output.read();
    const numbers = value.trim().split(" ").map(Number);
    if (value === "" || numbers.some(Number.isNaN)) throw new Error("The clients failed");
    return numbers;
  }
}
