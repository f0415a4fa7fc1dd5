/**
 * A chat server: rooms, nicknames, and nobody who holds the others up.
 *
 * ```sh
 * deno run --allow-net examples/chat_server.ts 7000
 * nc 127.0.0.1 7000
 * ```
 *
 * A line is said to everybody in the room; `/nick NAME`, `/join ROOM`, `/who` and `/quit` are
 * commands. Ctrl-C says goodbye to all and ends.
 *
 * Each client has an outbox with room for some lines, from which a fiber of its own writes. To say
 * something is to put it into the outboxes, which never waits; a client whose outbox is full reads
 * too slowly and is hung up on.
 *
 * @module
 */
import { Channel, main, type Operation, select, spawn } from "@weft/weft";
import {
  type Input,
  LimitExceededError,
  type Output,
  signalEvent,
  StreamClosedError,
  TcpServer,
} from "@weft/weft/io";
import { orExit, readPort } from "./command_line.ts";

/** How many lines a client may be behind. */
const OUTBOX = 256;
/** How long a line may be, in bytes. */
const LONGEST_LINE = 1024;
/** What somebody, or a room, may be called. */
const NAME = /^[\p{L}\p{N}_-]{1,20}$/u;

interface Client {
  nick: string;
  room: string;
  readonly outbox: Channel<string>;
  readonly output: Output;
}

/** Everybody who is here. Nothing in it suspends, so it is always consistent. */
class Hall {
  readonly #clients = new Set<Client>();
  #guests = 0;

  enter(output: Output): Client {
    const outbox = new Channel<string>({ capacity: OUTBOX, name: "outbox" });
    const client = { nick: `guest${++this.#guests}`, room: "lobby", outbox, output };
    this.#clients.add(client);
    this.tell(client, `* welcome, ${client.nick}`);
    this.say(client, `* ${client.nick} has come`);
    return client;
  }

  /** Its last words may still be on their way. */
  leave(client: Client): void {
    if (!this.#clients.delete(client)) return;
    client.outbox.close();
    this.say(client, `* ${client.nick} has left`);
  }

  tell(client: Client, line: string): void {
    if (client.outbox.isClosed || client.outbox.trySend(line)) return;
    client.output.discard(); // what it has not read by now it won't get
    this.leave(client);
  }

  /** To everybody else in the room. */
  say(from: Client, line: string): void {
    for (const client of this.inRoom(from.room)) {
      if (client !== from) this.tell(client, line);
    }
  }

  inRoom(room: string): Client[] {
    return [...this.#clients].filter((client) => client.room === room);
  }

  rename(client: Client, nick: string): void {
    if ([...this.#clients].some((other) => other.nick === nick)) {
      return this.tell(client, `* ${nick} is taken`);
    }
    for (const other of this.inRoom(client.room)) {
      this.tell(other, `* ${client.nick} is now ${nick}`);
    }
    client.nick = nick;
  }

  move(client: Client, room: string): void {
    this.say(client, `* ${client.nick} has left`);
    client.room = room;
    this.tell(client, `* this is ${room}`);
    this.say(client, `* ${client.nick} has come`);
  }

  close(): void {
    for (const client of this.#clients) {
      this.tell(client, "* the server is going down");
      client.outbox.close();
    }
  }
}

/** One client, from its first line to its last. */
function* converse(hall: Hall, input: Input, output: Output): Operation<void> {
  const client = hall.enter(output);
  spawn(() => deliver(client)); // the connection stays open until it is done
  try {
    yield* listen(hall, client, input);
  } catch (error) {
    if (!(error instanceof LimitExceededError)) throw error;
    hall.tell(client, "* a line was too long");
  } finally {
    hall.leave(client);
  }
}

function* listen(hall: Hall, client: Client, input: Input): Operation<void> {
  while (true) {
    const next = yield* select({
      line: input.readLineEvent({ maxBytes: LONGEST_LINE }),
      over: client.outbox.closeEvent(),
    });
    if (next.kind === "over" || next.value === undefined) return;
    if (!obey(hall, client, next.value.value)) return;
  }
}

/** Does what the line says; false if that was to quit. */
function obey(hall: Hall, client: Client, line: string): boolean {
  const [, command, name] = /^\/(\S+)(?:\s+(.*))?$/.exec(line.trimEnd()) ?? [];
  switch (command) {
    case undefined:
      if (line !== "") hall.say(client, `${client.nick}: ${line}`);
      break;
    case "quit":
      hall.tell(client, "* goodbye");
      return false;
    case "who":
      hall.tell(client, `* here: ${hall.inRoom(client.room).map(({ nick }) => nick).join(", ")}`);
      break;
    case "nick":
    case "join":
      if (name === undefined || !NAME.test(name)) {
        hall.tell(client, "* a name is made of 1 to 20 letters, digits, - and _");
      } else if (command === "nick") hall.rename(client, name);
      else hall.move(client, name);
      break;
    default:
      hall.tell(client, "* /nick NAME, /join ROOM, /who, /quit");
  }
  return true;
}

/** Writes what is in the outbox, as fast as the client reads. */
function* deliver({ outbox, output }: Client): Operation<void> {
  try {
    for (let line; (line = yield* outbox.receive()) !== undefined;) {
      yield* output.outputLine(line.value);
      if (outbox.isEmpty) yield* output.flush();
    }
  } catch (error) {
    if (!(error instanceof StreamClosedError)) throw error; // too slow: it was hung up on
  }
}

/** Serves at `port` until somebody says stop. */
function* serve(port: number): Operation<void> {
  const hall = new Hall();
  const server = yield* orExit(
    `listen on port ${port}`,
    () =>
      TcpServer.establish(
        { hostname: "127.0.0.1", port },
        (_peer, input, output) => converse(hall, input, output),
      ),
  );
  console.log(`listening on port ${server.address.port}`);
  yield* signalEvent("SIGINT", "SIGTERM");
  hall.close();
  yield* server.shutdown({ graceMs: 2000 });
}

if (import.meta.main) {
  const port = readPort(Deno.args, 0);
  // Not awaited: a program that is stuck then ends as a Deadlock, which names its fibers.
  main(() => serve(port), { name: "chat server" });
}
