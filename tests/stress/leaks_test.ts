/** T26, T33 and law 9, in numbers in which a leak of a single byte each would show. */
import { assert, assertEquals } from "@std/assert";
import { type Report, subjects } from "./leaks.ts";

/** The heap is never quite the same twice, and a table behind a `WeakMap` that has grown stays so. A
 * leaked waiter of 50 bytes would grow it by 50 MB. */
const TOLERANCE = 1_000_000;

const program = new URL("leaks.ts", import.meta.url).pathname;

async function reportOf(subject: string, ...share: string[]): Promise<Report> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--v8-flags=--expose-gc", program, subject, ...share],
  });
  const { success, stdout, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function checkReport({ grown, left }: Report): void {
  assertEquals(left, Object.fromEntries(Object.keys(left).map((name) => [name, 0])));
  assert(grown < TOLERANCE, `the heap has grown by ${grown} bytes`);
}

/** Which law or trap it is about. */
const about: Record<string, string> = {
  "a million cancelled receives": "law 9",
  "a million lost selects": "law 6",
  "a million finished children": "T33",
  "a quarter of a million aborted scopes": "T33",
  "a million raced timers": "law 6",
  "a million waits on one pending promise": "T26",
  "a million cancelled waits on triggers": "law 8",
  "a million cancelled acquires": "law 9",
  "a million cancelled waits at a barrier, a cell and a lazy value": "law 9",
  "two hundred thousand fibers at once": "law 9",
  "a thousand items that a ring has held": "law 9",
  "a hundred thousand mains with one signal": "T26",
  "a million calls with a signal in one context": "T26",
  "a million blocking sleeps that are cancelled": "law 9",
  "a million cancelled reads of one source": "T28, law 9",
  "a million cancelled writes to one sink": "law 9",
  "a million cancelled reads and writes of Web Streams": "law 9",
  "a million lines through streams of their own": "law 9",
};

for (const subject of Object.keys(subjects)) {
  Deno.test(`${about[subject]}: ${subject} leave nothing behind`, async () => {
    checkReport(await reportOf(subject));
  });

  Deno.test(`${about[subject]}, law 10: ${subject}, with a share of 1 and of 2`, async () => {
    checkReport(await reportOf(subject, "1"));
    checkReport(await reportOf(subject, "2"));
  });
}

Deno.test("leaks_test.ts knows what each of its programs is about", () => {
  assertEquals(Object.keys(about).sort(), Object.keys(subjects).sort());
});
