/** Lines of JSON: what piscina's threads do with some of them. */
import { addUp } from "./ndjson.ts";

interface Piece {
  readonly buffer: ArrayBuffer;
  readonly length: number;
}

export default ({ buffer, length }: Piece): number => addUp(new Uint8Array(buffer, 0, length));
