/** What the clients of the HTTP workloads ask for, and what the answer must be. */

export type Kind = "hello" | "order";

export interface Order {
  readonly id: number;
  readonly customer: string;
  readonly items: readonly { readonly id: number; readonly price: number }[];
}

export const greeting = "Hello, World!";

/** What an order is answered with. */
export function receiptOf({ id, items }: Order): { id: number; total: number } {
  return { id, total: items.reduce((total, { price }) => total + price, 0) };
}

/** An exchange as it goes over the wire: the request, and the body of the response. */
export interface Exchange {
  readonly request: Uint8Array;
  readonly body: string;
}

export function exchangeOf(kind: Kind): Exchange {
  if (kind === "hello") {
    return { request: bytesOf("GET / HTTP/1.1", "host: bench", "", ""), body: greeting };
  }
  const items = Array.from({ length: 10 }, (_, id) => ({ id, price: 100 * id }));
  const order: Order = { id: 42, customer: "Ada", items };
  const content = JSON.stringify(order);
  const request = bytesOf(
    "POST /orders HTTP/1.1",
    "host: bench",
    "content-type: application/json",
    `content-length: ${content.length}`,
    "",
    content,
  );
  return { request, body: JSON.stringify(receiptOf(order)) };
}

function bytesOf(...lines: string[]): Uint8Array {
  return new TextEncoder().encode(lines.join("\r\n"));
}
