import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { run, spawn } from "@weft/weft";
import { setUncaughtHandler } from "@weft/weft/lowlevel";
import { hostTurn, uncaughtDuring } from "../kit/uncaught.ts";

/** A failure that nobody can see but the uncaught handler. */
function failUnseen(error: unknown): void {
  run(function* () {
    spawn(function* () {
      throw error;
    }, { propagateCancelToParent: false });
  });
}

Deno.test("setUncaughtHandler() gets what nobody observed, and returns the handler before", () => {
  const seen: unknown[] = [];
  const first = (error: unknown) => void seen.push("first", error);
  const second = (error: unknown) => void seen.push("second", error);
  const original = setUncaughtHandler(first);
  try {
    failUnseen(1);
    assertStrictEquals(setUncaughtHandler(second), first);
    failUnseen(2);
    assertStrictEquals(setUncaughtHandler(undefined), second);
    assertEquals(seen, ["first", 1, "second", 2]);
  } finally {
    setUncaughtHandler(original);
  }
});

Deno.test("setUncaughtHandler() of what is no function throws a TypeError, and changes nothing", () => {
  const seen = uncaughtDuring(() => {
    for (const bad of [null, 1, {}, "handler"] as never[]) {
      assertThrows(() => setUncaughtHandler(bad), TypeError, "Cannot set the uncaught handler");
    }
    failUnseen("still heard");
  });
  assertEquals(seen, ["still heard"]);
});

/** What the platform reports while `f` runs and for two turns after that. */
async function platformErrors(f: () => void): Promise<unknown[]> {
  const errors: unknown[] = [];
  const listener = (event: ErrorEvent) => {
    event.preventDefault();
    errors.push(event.error);
  };
  globalThis.addEventListener("error", listener);
  try {
    f();
    assertEquals(errors, []); // never in the middle of what runs
    await hostTurn();
    await hostTurn();
  } finally {
    globalThis.removeEventListener("error", listener);
  }
  return errors;
}

Deno.test("setUncaughtHandler(undefined): the default is the platform's, in a task of its own", async () => {
  const failure = new Error("to the platform");
  const original = setUncaughtHandler(undefined);
  try {
    assertEquals(await platformErrors(() => failUnseen(failure)), [failure]);
  } finally {
    setUncaughtHandler(original);
  }
});

Deno.test("setUncaughtHandler(): what the handler throws goes to the platform, and nowhere else", async () => {
  const failure = new Error("in the handler");
  const original = setUncaughtHandler(() => {
    throw failure;
  });
  try {
    assertEquals(await platformErrors(() => failUnseen(new Error("seen by it"))), [failure]);
  } finally {
    setUncaughtHandler(original);
  }
});
