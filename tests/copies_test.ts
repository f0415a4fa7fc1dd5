/**
 * The hottest operations write out `[Symbol.iterator]` and `next` (`lib/operation/wait.ts` says why).
 * Here is the one template that their copies follow. Each is compared with it line by line, without
 * comments and types; where it departs, the line and the reason are listed. So no copy can forget
 * what it owes to the scheduler, and none is made that nobody compares.
 */
import { assert, assertEquals } from "@std/assert";

/** `own` in a line of its own stands for code of the class itself, which may not be missing. */
const template = {
  "[Symbol.iterator]": [
    "if (this.state !== COLD || execution.current === null) return elsewhere(this);",
    "return this;",
  ],
  "next": [
    "if (this.state === COMMITTED)",
    "own", // takes what the partner has left
    "if (this.state !== COLD) return this.resume();",
    "const fiber = execution.current;",
    // The context, then whatever else `start` is for, then the count: `start` counts on from there.
    "if (fiber.context.error !== undefined || --execution.left < 0) return this.start();",
    "own", // tries to complete at once
    "this.state = WAITING;",
    "this.waiter = fiber;",
    "own", // enlists
    "if (fiber.pending !== null) fiber.dropPending();",
    "fiber.pending = this;",
    "this.value = this;",
    "return this;",
  ],
};

/** What only the template's own lines may touch. */
const reserved = /\bexecution\b|\bpending\b|\bdropPending\b|\.context\b/;

type Method = keyof typeof template;

/** Lines of the template that are others in one copy, or none, and why. */
interface Departure {
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly why: string;
}

interface Copy {
  readonly file: string;
  readonly departures: readonly Departure[];
}

const look = template.next[4]!;

function looksAlsoAt(condition: string, why: string, fiber = template.next[3]!): Departure {
  const others = look.replace("--execution", `${condition} || --execution`);
  return { from: [template.next[3]!, look], to: [fiber, others], why };
}

const leavesTheRest: Departure = {
  from: template.next.slice(6),
  to: ["this.state = SPENT;", "own", "return this;"],
  why: "what must wait goes on in `enter`: what it waits for is in another thread, and slow anyway",
};
const nobodyHandsOver: Departure = {
  from: template.next.slice(0, 2),
  to: [],
  why: "nobody completes it from the other side: whoever wakes it lets it look again",
};

const copies: Record<string, Copy> = {
  Acquire: { file: "sync/acquire.ts", departures: [] },
  Receive: { file: "channel/operations.ts", departures: [] },
  Send: { file: "channel/operations.ts", departures: [] },
  JoinWait: {
    file: "fiber/core/join.ts",
    departures: [
      looksAlsoAt(
        "fiber === joined",
        "a fiber that joins itself is told so by `attempt`",
        "const fiber = execution.current; const joined = this.fiber;",
      ),
    ],
  },
  SelectWait: {
    file: "operation/select_wait.ts",
    departures: [
      looksAlsoAt("!arePlain(this.arms)", "events of users run their code, before and after"),
    ],
  },
  SharedReceive: {
    file: "thread/shared/shared_operations.ts",
    departures: [
      nobodyHandsOver,
      looksAlsoAt("port.receivers.first !== null", "those in line come first"),
      {
        from: ["if (this.state !== COLD) return this.resume();"],
        to: [
          "if (this.state !== COLD) return this.resume();",
          "const { rule } = this; const { port } = rule;",
        ],
        why: "the look at the line needs the port",
      },
      leavesTheRest,
    ],
  },
  SharedSend: {
    file: "thread/shared/shared_operations.ts",
    departures: [
      nobodyHandsOver,
      looksAlsoAt(
        'typeof item !== "number" || port.senders.first !== null',
        "what isn't a number must be encoded, and those in line come first",
      ),
      {
        from: ["if (this.state !== COLD) return this.resume();"],
        to: [
          "if (this.state !== COLD) return this.resume();",
          "const { port, item } = this;",
        ],
        why: "the look at the line needs the port",
      },
      { ...leavesTheRest, to: ["this.state = SPENT;", "return this;"] },
    ],
  },
  SharedLock: {
    file: "thread/shared/lock_operations.ts",
    departures: [
      nobodyHandsOver,
      looksAlsoAt("port.line.first !== null", "those in line come first"),
      {
        from: ["if (this.state !== COLD) return this.resume();"],
        to: [
          "if (this.state !== COLD) return this.resume();",
          "const { port } = this.rule;",
        ],
        why: "the look at the line needs the port",
      },
      leavesTheRest,
    ],
  },
  Yield: {
    file: "fiber/core/yield.ts",
    departures: [
      {
        from: template.next.slice(0, 3),
        to: [
          "if (this.state !== COLD) { this.state = SPENT; this.value = undefined; return this; }",
        ],
        why: "it has had its turn: no value, no failure, nothing to look at again",
      },
      {
        from: [look, "own"],
        to: [
          "if (fiber.context.error !== undefined) { this.state = SPENT; throw fiber.deliver(); }",
        ],
        why: "it doesn't count, for it gives way anyway, and it can't complete at once",
      },
      {
        from: template.next.slice(6),
        to: [
          "if (fiber.pending !== null) fiber.dropPending();",
          "this.state = WAITING;",
          "fiber.pending = this;",
          "this.value = this;",
          "fiber.unblock();",
          "return this;",
        ],
        why:
          "the ready queue is its list, and the fiber stands there itself: nobody asks for the " +
          "waiter. It gets in line last, as it may get its turn from a scheduler there and then",
      },
    ],
  },
};

/** The template with the departures of one copy. */
function expected(method: Method, { departures }: Copy): string[] {
  let lines = template[method];
  if (method !== "next") return lines;
  for (const { from, to } of departures) {
    const at = lines.findIndex((_, i) => from.every((line, k) => lines[i + k] === line));
    assert(at >= 0, `the template has no such lines:\n${from.join("\n")}`);
    lines = lines.toSpliced(at, from.length, ...to);
  }
  return lines;
}

/** The first line of the template that `body` doesn't have where it should, or what is too much. */
function deviation(body: string, lines: readonly string[]): string | undefined {
  let at = 0;
  let isOwn = false;
  for (const line of lines) {
    if (line === "own") {
      isOwn = true;
      continue;
    }
    const found = isOwn ? body.indexOf(line, at) : at;
    if (found < 0 || !body.startsWith(line, found)) return `has no "${line}" where it should be`;
    const own = body.slice(at, found);
    if (isOwn && own.trim() === "") return `has nothing of its own before "${line}"`;
    if (reserved.test(own)) return `does what the template does once more: "${own}"`;
    isOwn = false;
    at = found + line.length + 1;
  }
  return at > body.length ? undefined : `goes on with "${body.slice(at)}"`;
}

/** The code of a method, in one line: without comments, types and the brackets of long lines. */
function bodyOf(source: string, name: string, method: Method): string {
  const [text = ""] = source.match(new RegExp(`^(?:export )?class ${name}\\b[^]*?^}$`, "m")) ?? [];
  const start = text.indexOf(`\n  ${method}(`);
  if (start < 0) return "";
  const [, body = ""] = text.slice(start).match(/\{\n([^]*?)\n {2}\}/) ?? [];
  return body
    .replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/ as [\w<>, ]+(?=[;)])/g, "")
    .replaceAll(/<[\w<>, ]+>(?=\()/g, "")
    .replaceAll(/!(?=[.;)])/g, "")
    .replaceAll(/\( | \)/g, (bracket) => bracket.trim())
    .trim();
}

const root = new URL("../lib/", import.meta.url);

function read(file: string): string {
  return Deno.readTextFileSync(new URL(file, root));
}

/** What is wrong with one copy as it stands in `source`. */
function complaints(name: string, source = read(copies[name]!.file)): string[] {
  return (Object.keys(template) as Method[]).flatMap((method) => {
    const wrong = deviation(bodyOf(source, name, method), expected(method, copies[name]!));
    return wrong === undefined ? [] : [`${name}.${method} ${wrong}`];
  });
}

for (const name of Object.keys(copies)) {
  Deno.test(`${name}'s iterator, which is written out, follows the template`, () => {
    assertEquals(complaints(name), []);
  });

  Deno.test(`a line that ${name}'s iterator forgets, or says twice, is found`, () => {
    for (const method of Object.keys(template) as Method[]) {
      const lines = expected(method, copies[name]!);
      const body = bodyOf(read(copies[name]!.file), name, method);
      for (const line of lines.filter((line) => line !== "own")) {
        const at = body.lastIndexOf(line); // what comes before may be code of its own
        const [before, after] = [body.slice(0, at), body.slice(at + line.length)];
        assert(deviation(before + after, lines) !== undefined, `without ${line}`);
        if (!reserved.test(line)) continue;
        assert(deviation(before + line + " " + line + after, lines) !== undefined, line);
      }
    }
  });
}

Deno.test("what a copy of the iterator may forget is found in its source", () => {
  const faults: [name: string, from: string | RegExp, to: string][] = [
    ["Receive", "if (fiber.pending !== null) fiber.dropPending();", ""],
    ["Send", " || --execution.left < 0", ""],
    ["SharedSend", " || --execution.left < 0", ""],
    ["JoinWait", "fiber.context.error !== undefined || ", ""],
    ["JoinWait", "joined.joiners = append<WaitNode>(joined.joiners, this);", ""],
    ["SelectWait", "this.waiter = fiber;", ""],
    ["SharedReceive", " || execution.current === null", ""],
    ["Yield", "fiber.unblock();", ""],
  ];
  for (const [name, from, to] of faults) {
    const source = read(copies[name]!.file);
    const start = source.search(new RegExp(`^(?:export )?class ${name}\\b`, "m"));
    const faulty = source.slice(0, start) + source.slice(start).replace(from, to);
    assert(faulty !== source, `${name} has no ${from}`);
    assertEquals(complaints(name, faulty).length, 1, `${name} without ${from}`);
  }
});

Deno.test("every iterator of an operation that is written out is compared with the template", () => {
  const found = sourcesIn("").flatMap((file) => {
    const source = read(file);
    return Array.from(source.matchAll(/^inherit\((\w+)/gm), ([, name = ""]) => name)
      .filter((name) => bodyOf(source, name, "next") !== "")
      .map((name) => `${name} in ${file}`);
  });
  const known = Object.entries(copies).map(([name, { file }]) => `${name} in ${file}`);
  assertEquals(found.toSorted(), known.toSorted());
});

Deno.test("the template's [Symbol.iterator] is that of all other operations", () => {
  const source = read("operation/wait.ts").replace("abstract class", "class");
  const method = "[Symbol.iterator]";
  assertEquals(deviation(bodyOf(source, "Wait", method), template[method]), undefined);
});

function sourcesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(new URL(folder, root)))
    .flatMap(({ name, isDirectory }) =>
      isDirectory ? sourcesIn(`${folder}${name}/`) : name.endsWith(".ts") ? [folder + name] : []
    );
}
