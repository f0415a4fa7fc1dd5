/** Types alone: what the compiler infers of events, and what it refuses. */
import { assertType, type IsExact } from "@std/testing/types";
import { afterEvent, type Awaitable, Channel, Event, select, timeoutEvent, when } from "@weft/weft";

const numbers = new Channel<number>();
const words = new Channel<string>();

Deno.test("Event.choose() of events of one type, or of several, happens with the union of them", () => {
  const same = Event.choose(numbers.receiveEvent(), numbers.receiveEvent().map((n) => 2 * n));
  const number = numbers.receiveEvent();
  const word = words.receiveEvent();
  const mixed = Event.choose(number, word);
  const three = Event.choose(number, word, Event.always(true as const));
  const rarely = Event.choose(number, Event.never());
  const named = Event.choose<number | string>(number, word);
  assertType<IsExact<typeof mixed, Event<number | string>>>(true);
  assertType<IsExact<typeof three, Event<number | string | true>>>(true);
  assertType<IsExact<typeof rarely, Event<number>>>(true);
  assertType<IsExact<typeof named, Event<number | string>>>(true);
  assertType<IsExact<typeof same, Event<number>>>(true);
});

Deno.test("select() returns what its branches make, or its named events happen with", () => {
  const word = Event.always("word");
  const branches = () => select([when(word, (w) => w.length), when(afterEvent(1), () => null)]);
  assertType<IsExact<ReturnType<typeof branches>, Awaitable<number | null>>>(true);
  const record = () => select({ word, late: timeoutEvent(1) });
  assertType<
    IsExact<
      ReturnType<typeof record>,
      Awaitable<
        | { readonly kind: "word"; readonly value: string }
        | { readonly kind: "late"; readonly value: never }
      >
    >
  >(true);
});

Deno.test("select() of what is no list of branches doesn't compile", () => {
  // Never called: they would throw.
  const refused = [
    // @ts-expect-error -- a branch is made by when(), not just any object
    () => select([{}]),
    // @ts-expect-error -- nor what looks like one
    () => select([{ event: 5 }]),
    // @ts-expect-error -- nor a number
    () => select([5]),
    // @ts-expect-error -- nor an event without a name
    () => select([Event.never()]),
    // @ts-expect-error -- under a name goes an event
    () => select({ a: 5 }),
    // @ts-expect-error -- and not a promise
    () => select({ a: Promise.resolve() }),
  ];
  void refused;
});
