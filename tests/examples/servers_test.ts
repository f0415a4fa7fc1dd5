/** The example servers, as programs of their own, and clients that are not of this library. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runScript, type Script, startScript } from "../kit/scripts.ts";

const ignore = Deno.build.os === "windows"; // they end by signals
const example = (name: string) => new URL(`../../examples/${name}.ts`, import.meta.url);

interface Running extends Script {
  readonly port: number;
}

async function start(name: string, ...flags: string[]): Promise<Running> {
  const script = startScript(example(name), "--allow-net", ...flags);
  let port = 0;
  await script.wrote("listening");
  await script.wrote("\n");
  port = Number(/(\d+)\/?\n/.exec(script.written())?.[1]);
  return Object.assign(script, { port });
}

/** A client that knows nothing of fibers. */
class Peer {
  #heard = "";
  readonly #decoder = new TextDecoder();
  constructor(readonly conn: Deno.TcpConn) {}

  static async connect({ port }: Running): Promise<Peer> {
    return new Peer(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async say(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
  }

  /** Hears until `text` has come, or the end; what that was, `text` included. */
  async hear(text: string): Promise<string> {
    const buffer = new Uint8Array(4096);
    while (!this.#heard.includes(text)) {
      const count = await this.conn.read(buffer);
      if (count === null) break;
      this.#heard += this.#decoder.decode(buffer.subarray(0, count), { stream: true });
    }
    const at = this.#heard.indexOf(text);
    const end = at < 0 ? this.#heard.length : at + text.length;
    const heard = this.#heard.slice(0, end);
    this.#heard = this.#heard.slice(end);
    return heard;
  }

  [Symbol.dispose](): void {
    this.conn.close();
  }
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore, fn });
}

function startClient({ port }: Running): Deno.ChildProcess {
  const url = example("echo_client").href;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-net", url, `${port}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
}

test("examples/echo_server and examples/echo_client understand each other", async () => {
  await using server = await start("echo_server");
  const client = startClient(server);
  const input = client.stdin.getWriter();
  const text = "hello\n".repeat(50_000);
  const output = new Response(client.stdout).text();
  await input.write(new TextEncoder().encode(text));
  await input.close();
  assertEquals((await output).length, text.length);
  assertEquals((await client.status).code, 0);
  server.kill("SIGINT");
  assertEquals((await server.ended).code, 0);
});

test("examples/echo_client ends while its input is open: on Ctrl-C, and with the server", async () => {
  await using server = await start("echo_server");
  for (const end of ["Ctrl-C", "server"]) {
    const client = startClient(server);
    const guard = setTimeout(() => client.kill("SIGKILL"), 10_000);
    const input = client.stdin.getWriter();
    const output = client.stdout.getReader();
    await input.write(new TextEncoder().encode("hello\n"));
    assertEquals(new TextDecoder().decode((await output.read()).value), "hello\n");
    (end === "server" ? server : client).kill("SIGINT");
    const { code } = await client.status;
    clearTimeout(guard);
    assertEquals([end, code], [end, end === "server" ? 0 : 130]);
    assertEquals((await output.read()).done, true);
    await input.abort().catch(() => {});
  }
  await server.ended;
});

test("examples/echo_server lets a client finish on SIGTERM, and hangs up on one that doesn't", async () => {
  await using server = await start("echo_server");
  using idle = await Peer.connect(server);
  using busy = await Peer.connect(server);
  await idle.say("idle\n");
  await idle.hear("idle\n");
  await busy.say("one\n");
  await busy.hear("one\n");
  server.kill("SIGTERM");
  await busy.say("two\n");
  assertEquals(await busy.hear("two\n"), "two\n");
  assertEquals(await idle.hear("never"), "");
  const { code, stderr } = await server.ended;
  assertEquals([code, stderr], [0, ""]);
});

test("examples/chat_server: nicknames, rooms, and goodbye", async () => {
  await using server = await start("chat_server");
  using ann = await Peer.connect(server);
  await ann.hear("* welcome, guest1\n");
  using bob = await Peer.connect(server);
  await bob.hear("* welcome, guest2\n");
  assertEquals(await ann.hear("come\n"), "* guest2 has come\n");
  await ann.say("/nick ann\n");
  assertEquals(await bob.hear("ann\n"), "* guest1 is now ann\n");
  await bob.say("/nick ann\n");
  assertEquals(await bob.hear("taken\n"), "* ann is taken\n");
  await ann.say("hello\n/who\n");
  assertStringIncludes(await ann.hear("guest2\n"), "* here: ann, guest2");
  assertEquals(await bob.hear("hello\n"), "ann: hello\n");
  await bob.say("/join attic\nanybody?\n/help\n");
  assertEquals(await ann.hear("left\n"), "* guest2 has left\n");
  assertStringIncludes(await bob.hear("/quit\n"), "* this is attic\n");
  for (const name of ["b;o;b", "bob the builder", "x".repeat(21), ""]) {
    await bob.say(`/nick ${name}\n`);
    assertEquals(await bob.hear("\n"), "* a name is made of 1 to 20 letters, digits, - and _\n");
  }
  await bob.say("/nick Jürgen-23\n");
  assertEquals(await bob.hear("\n"), "* guest2 is now Jürgen-23\n");
  await bob.say("/quit\n");
  assertEquals(await bob.hear("never"), "* goodbye\n");
  await ann.say("x".repeat(5000) + "\n");
  assertEquals(await ann.hear("long\n"), "* a line was too long\n");
  server.kill("SIGINT");
  assertEquals((await server.ended).code, 0);
});

test("examples/chat_server hangs up on a client that doesn't read, and holds nobody up for it", async () => {
  await using server = await start("chat_server");
  using slow = await Peer.connect(server);
  await slow.hear("guest1\n");
  using loud = await Peer.connect(server);
  await loud.hear("guest2\n");
  const line = "x".repeat(1000) + "\n";
  let heard = "";
  for (let n = 0; n < 200 && heard === ""; n++) {
    await loud.say(line.repeat(50) + "/who\n");
    heard = await loud.hear("\n");
    if (!heard.includes("left")) heard = "";
  }
  assertEquals(heard, "* guest1 has left\n");
  server.kill("SIGTERM");
  const { code, stderr } = await server.ended;
  assertEquals([code, stderr], [0, ""]);
});

test("examples/chat_server says goodbye to everybody on Ctrl-C", async () => {
  await using server = await start("chat_server");
  using ann = await Peer.connect(server);
  using bob = await Peer.connect(server);
  await ann.hear("guest");
  await bob.hear("guest");
  server.kill("SIGINT");
  for (const peer of [ann, bob]) {
    assertStringIncludes(await peer.hear("never"), "* the server is going down\n");
  }
  const { code, stderr } = await server.ended;
  assertEquals([code, stderr], [0, ""]);
});

test("examples/http_server answers, streams, gives up and ends", async () => {
  await using server = await start("http_server", "--unstable-no-legacy-abort");
  const url = `http://127.0.0.1:${server.port}`;
  const text = async (path: string, init?: RequestInit) =>
    await (await fetch(url + path, init)).text();
  assertStringIncludes(await text("/"), "try /ticks");
  assertEquals(await text("/ticks?count=3&ms=1"), "tick 1\ntick 2\ntick 3\n");
  assertEquals(
    await text("/upper", { method: "POST", body: "weft ".repeat(1000) }),
    "WEFT ".repeat(1000),
  );
  assertEquals(await text("/slow?ms=1"), "that took 1 ms\n");
  assertEquals(await text("/slow?ms=60000"), "not within 1000 ms\n");
  assertEquals(await text("/nowhere"), "not found\n");
  assertEquals(await text("/upper"), "POST something\n");
  for (const query of ["/ticks?ms=abc", "/ticks?count=-1", "/slow?ms=", "/slow?ms=1e3"]) {
    const response = await fetch(url + query);
    assertEquals(response.status, 400, query);
    assertMatch(await response.text(), /^(ms|count) must be a whole number\n$/);
  }
  assertEquals(await text("/broken"), "Internal Server Error");
  const endless = await fetch(`${url}/ticks?count=1000000&ms=1`);
  const reader = endless.body!.getReader();
  await reader.read();
  await reader.cancel(); // the fiber that ticks ends with it, or the server would not
  const last = text("/slow?ms=100");
  await fetch(url).then((response) => response.text()); // so that the one before is there
  server.kill("SIGINT");
  assertEquals(await last, "that took 100 ms\n");
  const { code, stderr } = await server.ended;
  assertEquals(code, 0);
  assertMatch(stderr, /^Error: \/broken is broken\n/);
});

const servers = ["echo_server", "chat_server", "http_server"];

for (const name of [...servers, "echo_client"]) {
  test(`examples/${name} says in one line what is wrong with its arguments, and exits with 2`, async () => {
    const mistakes = [["foo"], ["65536"], ["-1"], ["1.5"], [""], ["7000", "8000"]];
    if (name === "echo_client") mistakes.push([]);
    await Promise.all(mistakes.map(async (args) => {
      const { code, stdout, stderr } = await runScript(example(name), "--allow-net", "--", ...args);
      assertEquals([code, stdout], [2, ""], stderr);
      assertMatch(stderr, /^Cannot .*: give .*\n$/);
    }));
  });
}

test("the example servers say in one line that their port is in use, or forbidden, and exit with 1", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  for (const name of servers) {
    const inUse = await runScript(example(name), "--allow-net", "--", `${port}`);
    assertEquals([inUse.code, inUse.stdout], [1, ""]);
    assertMatch(inUse.stderr, new RegExp(`^Cannot listen on port ${port}: .*in use.*\n$`));
    const forbidden = await runScript(example(name), "--deny-net");
    assertEquals([forbidden.code, forbidden.stdout], [1, ""]);
    assertMatch(forbidden.stderr, /^Cannot listen on port 0: .*net access.*\n$/);
  }
});

test("examples/echo_client says in one line that nobody listens, and exits with 1", async () => {
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = gone.addr;
  gone.close();
  const client = await runScript(example("echo_client"), "--allow-net", "--", `${port}`);
  assertEquals([client.code, client.stdout], [1, ""]);
  assertMatch(client.stderr, new RegExp(`^Cannot talk to port ${port}: .*refused.*\n$`));
});

/** A client from elsewhere, if it is installed: what it prints. */
async function foreign(program: string, args: string[], input = ""): Promise<string | undefined> {
  try {
    const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
    const output = new Response(child.stdout).text();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input)).catch(() => {});
    await writer.close().catch(() => {});
    await child.status;
    return await output;
  } catch (error) {
    assert(error instanceof Deno.errors.NotFound, String(error));
    return undefined;
  }
}

test("the example servers serve nc, socat and curl, where there are any", async () => {
  await using echo = await start("echo_server");
  const text = "from somewhere else\n".repeat(10_000);
  const { port } = echo;
  const nc = await foreign("nc", ["-N", "127.0.0.1", `${port}`], text);
  if (nc !== undefined) assertEquals(nc.length, text.length);
  const socat = await foreign("socat", ["-t5", "STDIO", `TCP:127.0.0.1:${port}`], text);
  if (socat !== undefined) assertEquals(socat.length, text.length);
  await using http = await start("http_server", "--unstable-no-legacy-abort");
  const url = `http://127.0.0.1:${http.port}/upper`;
  const curl = await foreign("curl", ["-s", "--data-binary", "@-", url], text);
  if (curl !== undefined) assertEquals(curl, text.toUpperCase());
  echo.kill("SIGINT");
  http.kill("SIGINT");
  assertEquals([(await echo.ended).code, (await http.ended).code], [0, 0]);
});
