/** What is sent between threads. */

export type ValueKind = "objects" | "numbers" | "bytes" | "pooled bytes";

const bytes = new Uint8Array(64).fill(1);

/** The value number `i`. */
export function valueOf(kind: ValueKind, i: number): unknown {
  switch (kind) {
    case "objects":
      return { id: i, name: "a small object", tags: ["a", "b"], ok: true };
    case "numbers":
      return i;
    case "bytes":
    case "pooled bytes":
      return bytes;
  }
}

/** What it counts for, at the other end. */
export function weightOf(value: unknown): number {
  if (typeof value === "number") return value;
  if (value instanceof Uint8Array) return value[value.length - 1]!;
  return (value as { id: number }).id;
}
