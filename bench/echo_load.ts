/**
 * The clients of the echo workloads, the same for every server: plain async code, in a process of
 * its own. For each line `port connections bytes rounds` it has that many connections send that many
 * messages each, the next when the last has come back, and answers with a line: how long all of it
 * took, and what 99 of 100 round trips took at most, both in nanoseconds. Before that each sends one
 * that doesn't count: when it is back the server has accepted the connection, and serves it.
 */
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
for await (const line of lines) {
  const [port = 0, connections = 0, bytes = 0, rounds = 0] = line.trim().split(" ").map(Number);
  const { total, p99 } = await load(port, connections, bytes, rounds);
  Deno.stdout.writeSync(new TextEncoder().encode(`${total} ${p99}\n`));
}

async function load(port: number, connections: number, bytes: number, rounds: number) {
  const conns: Deno.TcpConn[] = [];
  for (let n = 0; n < connections; n++) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay();
    conns.push(conn);
  }
  await Promise.all(conns.map((conn) => converse(conn, bytes, 1, [])));
  const times: number[] = [];
  const start = performance.now();
  await Promise.all(conns.map((conn) => converse(conn, bytes, rounds, times)));
  const total = (performance.now() - start) * 1e6;
  for (const conn of conns) conn.close();
  times.sort((a, b) => a - b);
  return { total, p99: times[Math.floor(times.length * 0.99)]! * 1e6 };
}

async function converse(conn: Deno.Conn, bytes: number, rounds: number, times: number[]) {
  const message = crypto.getRandomValues(new Uint8Array(bytes));
  const buffer = new Uint8Array(bytes);
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await Promise.all([send(conn, message), receive(conn, buffer)]);
    times.push(performance.now() - start);
    if (buffer[bytes - 1] !== message[bytes - 1]) throw new Error("The echo is not what was sent");
  }
}

async function send(conn: Deno.Conn, message: Uint8Array) {
  for (let sent = 0; sent < message.length;) sent += await conn.write(message.subarray(sent));
}

async function receive(conn: Deno.Conn, buffer: Uint8Array) {
  for (let received = 0; received < buffer.length;) {
    const count = await conn.read(buffer.subarray(received));
    if (count === null) throw new Error("The server has hung up");
    received += count;
  }
}
