/**
 * Thrown where a scheduler is needed and there is none, or none any more: a `spawn` or a `yield*`
 * outside of any fiber, a scheduler that has ended or was disposed of, a scope that is closed.
 */
export class Inactive extends Error {
  /** "Inactive". */
  override name = "Inactive";
}
