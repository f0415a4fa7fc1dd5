/**
 * The prime sieve of the Go tutorial: a task for each prime, that hands on what the prime does not
 * divide. The numbers go up to a prime, which must come out last, and then the channels are closed
 * one after the other, so that all contenders pass the same messages, to the end.
 */
import { Channel, main, spawn } from "../../mod.ts";
import { mixed } from "../mix.ts";
import { PromiseChannel } from "../peers/promise_channel.ts";
import { expectTotal, libraries, type Workload } from "../workload.ts";

const thousandthPrime = 7919;

export const sieve: Workload = mixed({
  name: "sieve",
  unit: "message",
  iteration: 541,
  size: { full: thousandthPrime, smoke: 71 },
  units: messagesUpTo,
  targets: { go: 0.95, ...libraries, promises: null },
  run: { weft: (last) => main(() => weft(last)), promises },
});

/** A number is received once for each prime up to its smallest divisor. */
function messagesUpTo(last: number): number {
  const primes: number[] = [];
  let messages = 0;
  for (let n = 2; n <= last; n++) {
    let index = primes.findIndex((prime) => n % prime === 0);
    if (index < 0) index = primes.push(n) - 1;
    messages += index + 1;
  }
  return messages;
}

function* weft(last: number) {
  let numbers = new Channel<number>({ capacity: 0 });
  const source = numbers;
  spawn(() => count(source, last));
  let largest = 0;
  for (;;) {
    const prime = yield* numbers.receive();
    if (prime === undefined) break;
    largest = prime.value;
    const all = numbers;
    const some = new Channel<number>({ capacity: 0 });
    spawn(() => filter(all, some, largest));
    numbers = some;
  }
  expectTotal(largest, last);
}

function* count(numbers: Channel<number>, last: number) {
  for (let n = 2; n <= last; n++) yield* numbers.send(n);
  numbers.close();
}

function* filter(all: Channel<number>, some: Channel<number>, prime: number) {
  for (;;) {
    const number = yield* all.receive();
    if (number === undefined) break;
    if (number.value % prime !== 0) yield* some.send(number.value);
  }
  some.close();
}

/** Nobody writes `close` for a queue by hand: 0 is the end. */
async function promises(last: number): Promise<void> {
  let numbers = new PromiseChannel<number>(0);
  void asyncCount(numbers, last);
  let largest = 0;
  for (let prime = await numbers.take(); prime !== 0; prime = await numbers.take()) {
    largest = prime;
    const some = new PromiseChannel<number>(0);
    void asyncFilter(numbers, some, prime);
    numbers = some;
  }
  expectTotal(largest, last);
}

async function asyncCount(numbers: PromiseChannel<number>, last: number) {
  for (let n = 2; n <= last; n++) await numbers.put(n);
  await numbers.put(0);
}

async function asyncFilter(
  all: PromiseChannel<number>,
  some: PromiseChannel<number>,
  prime: number,
) {
  for (;;) {
    const number = await all.take();
    if (number === 0) break;
    if (number % prime !== 0) await some.put(number);
  }
  await some.put(0);
}
