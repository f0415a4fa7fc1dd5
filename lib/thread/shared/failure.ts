/**
 * Why a shared channel has failed, in its memory: an error taken apart (see `packed_error.ts`), and
 * where it was thrown. There is room for a few kilobytes. What takes more is cut, step by step, the
 * least needed first: stacks, then long texts and values, then errors within errors.
 */
import { show } from "../../internal/check.ts";
import {
  Decoded,
  Encoded,
  FAILURE_BYTES,
  isPlain,
  pack,
  type Packed,
  type SharedQueue,
  unpack,
} from "../memory/mod.ts";

/** What a step leaves of an error. */
interface Limits {
  /** How many lines of each stack. */
  readonly lines: number;
  /** How many characters of each text, and how long other values may be. */
  readonly chars: number;
  /** How many levels of errors within errors, and how many fields and errors in each. */
  readonly levels: number;
  readonly parts: number;
}

const STEPS: readonly Limits[] = [
  { lines: 10, chars: Infinity, levels: Infinity, parts: Infinity },
  { lines: 3, chars: Infinity, levels: Infinity, parts: Infinity },
  { lines: 0, chars: Infinity, levels: Infinity, parts: Infinity },
  { lines: 0, chars: 500, levels: 4, parts: 20 },
  { lines: 0, chars: 100, levels: 1, parts: 4 },
  { lines: 0, chars: 60, levels: 0, parts: 0 }, // some two hundred characters: they always fit
];

/** Stands for what has been cut. */
const CUT = "…";

/** `error` as it is to be written, by `thread`. Never throws, whatever it is. */
export function encodeFailure(error: unknown, thread: string): Encoded {
  const packed = pack(error);
  const encoded = new Encoded();
  for (const limits of [undefined, ...STEPS]) {
    const rest = limits === undefined ? packed : cut(packed, limits, limits.levels);
    try {
      encoded.encode({ thread, packed: rest }, FAILURE_BYTES);
      if (encoded.length <= FAILURE_BYTES) return encoded;
    } catch { // a value that can't be copied to another thread
    }
  }
  throw new Error("unreachable: what is left of an error is small");
}

/** The error that `queue` has failed with. */
export function readFailure(queue: SharedQueue): unknown {
  if (!queue.saysWhy) return new Error("The shared channel failed, and could not say why");
  const decoded = new Decoded();
  decoded.read(queue, queue.failureSlot);
  const { thread, packed } = decoded.decode() as { thread: string; packed: Packed };
  return unpack(packed, thread);
}

function cut(packed: Packed, limits: Limits, levels: number): Packed {
  const { chars, lines, parts } = limits;
  if (packed.kind === "again") {
    // It has the number of an error that comes before, and those may be cut.
    return limits.levels === Infinity ? packed : { kind: "value", value: CUT };
  }
  if (packed.kind === "value") return { kind: "value", value: cutValue(packed.value, chars) };
  const { base, className, name, message, stack, fields, cause, errors } = packed;
  const inner = (part: Packed) => cut(part, limits, levels - 1);
  return {
    kind: "error",
    base,
    className: cutText(className, chars),
    name: cutText(name, chars),
    message: cutText(message, chars),
    stack: stack === null || lines === 0 ? null : stack.split("\n").slice(0, lines).join("\n"),
    fields: levels === 0 ? [] : fields.slice(0, parts)
      .map(([key, value]) => [cutText(key, chars), inner(value)] as const),
    cause: levels === 0 || cause === null ? null : inner(cause),
    errors: levels === 0 || errors === null ? null : errors.slice(0, parts).map(inner),
  };
}

function cutText(text: string, chars: number): string {
  return text.length > chars ? text.slice(0, chars) + CUT : text;
}

function cutValue(value: unknown, chars: number): unknown {
  if (chars === Infinity) return value;
  if (typeof value === "string") return cutText(value, chars);
  return value === undefined || isPlain(value, chars) ? value : cutText(show(value), chars);
}
