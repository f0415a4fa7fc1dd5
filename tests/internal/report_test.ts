import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { setUncaughtHandler } from "@weft/weft/lowlevel";
import { reportUncaught, trap } from "../../lib/internal/report.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";

/** What reaches the platform's `reportError` while `f` runs and in the microtasks after it. */
async function reportedToPlatform(f: () => void): Promise<unknown[]> {
  const errors: unknown[] = [];
  const { reportError } = globalThis;
  globalThis.reportError = (error) => void errors.push(error);
  try {
    f();
    assertEquals(errors, [], "it is reported in a task of its own");
    await Promise.resolve();
  } finally {
    globalThis.reportError = reportError;
  }
  return errors;
}

Deno.test("setUncaughtHandler() replaces the handler and returns the one before", () => {
  const [first, second] = [() => {}, () => {}];
  const before = setUncaughtHandler(first);
  try {
    assertStrictEquals(setUncaughtHandler(second), first);
    assertStrictEquals(setUncaughtHandler(undefined), second);
    assertStrictEquals(setUncaughtHandler(first), undefined);
  } finally {
    setUncaughtHandler(before);
  }
});

Deno.test("setUncaughtHandler() of what is no function is a TypeError and changes nothing", () => {
  const errors = uncaughtDuring(() => {
    for (const bad of [null, 1, {}, "report"]) {
      assertThrows(() => setUncaughtHandler(bad as never), TypeError, "uncaught handler");
    }
    reportUncaught("still heard");
  });
  assertEquals(errors, ["still heard"]);
});

Deno.test("setUncaughtHandler(undefined) restores the default, reportError", async () => {
  const before = setUncaughtHandler(undefined);
  try {
    assertEquals(await reportedToPlatform(() => reportUncaught("it")), ["it"]);
  } finally {
    setUncaughtHandler(before);
  }
});

Deno.test("law 13: what an uncaught handler throws goes to reportError, not to the caller", async () => {
  const before = setUncaughtHandler((error) => {
    throw new Error(`handler of ${error}`);
  });
  try {
    assertEquals((await reportedToPlatform(() => reportUncaught("it"))).map(String), [
      "Error: handler of it",
    ]);
  } finally {
    setUncaughtHandler(before);
  }
});

Deno.test("trap() calls the function once and reports what it throws", () => {
  let calls = 0;
  const errors = uncaughtDuring(() => {
    trap(() => void calls++);
    trap(() => {
      calls++;
      throw new Error("it");
    });
  });
  assertEquals(errors.map(String), ["Error: it"]);
  assertEquals(calls, 2);
});
