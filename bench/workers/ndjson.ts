/** Lines of JSON: what is done with some of them. */

/** One line. */
export interface Payment {
  readonly id: number;
  readonly at: string;
  readonly user: string;
  readonly cents: number;
  readonly items: readonly { readonly sku: string; readonly count: number }[];
}

/** What the payments in `lines`, all of them whole, add up to. */
export function addUp(lines: Uint8Array): number {
  let total = 0;
  for (const line of new TextDecoder().decode(lines).split("\n")) {
    if (line !== "") total += (JSON.parse(line) as Payment).cents;
  }
  return total;
}
