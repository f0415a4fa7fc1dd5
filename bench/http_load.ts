/**
 * The clients of the HTTP workloads, the same for every server: plain async code on bare
 * connections, so that it is no HTTP client that is measured, in a process of its own. For each line
 * `port connections requests kind` it has that many connections send that many requests each, the
 * next when the last is answered, and answers with a line: how long all of it took, in nanoseconds.
 * Before that each sends one that doesn't count.
 */
import { type Exchange, exchangeOf, type Kind } from "./http_kinds.ts";

const decoder = new TextDecoder();
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
for await (const line of lines) {
  const [port, connections, requests, kind] = line.trim().split(" ");
  const exchange = exchangeOf(kind as Kind);
  const total = await load(Number(port), Number(connections), Number(requests), exchange);
  Deno.stdout.writeSync(new TextEncoder().encode(`${total}\n`));
}

async function load(port: number, connections: number, requests: number, exchange: Exchange) {
  const conns: Deno.TcpConn[] = [];
  for (let n = 0; n < connections; n++) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay();
    conns.push(conn);
  }
  await Promise.all(conns.map((conn) => converse(conn, exchange, 1)));
  const start = performance.now();
  await Promise.all(conns.map((conn) => converse(conn, exchange, requests)));
  const total = (performance.now() - start) * 1e6;
  for (const conn of conns) conn.close();
  return total;
}

async function converse(conn: Deno.Conn, { request, body }: Exchange, requests: number) {
  const buffer = new Uint8Array(4096);
  for (let asked = 0; asked < requests; asked++) {
    for (let sent = 0; sent < request.length;) sent += await conn.write(request.subarray(sent));
    let response = "";
    while (!response.endsWith(`\r\n\r\n${body}`)) {
      const count = await conn.read(buffer);
      if (count === null) throw new Error(`The server has hung up after ${response}`);
      response += decoder.decode(buffer.subarray(0, count));
    }
    if (!response.startsWith("HTTP/1.1 200 ")) throw new Error(`The server answered ${response}`);
  }
}
