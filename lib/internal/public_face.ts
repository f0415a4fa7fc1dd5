/**
 * What users see of a class that they may not construct: `instanceof` works, and `new` throws an
 * error that says what to do `instead`. So the constructor of the class need not check anything.
 */
export function publicFace<F>(
  name: string,
  of: { prototype: object },
  instead: string,
  statics: object,
): F {
  const face = {
    [name]: function (): never {
      throw new TypeError(`Cannot construct ${name}: ${instead}`);
    },
  }[name]!;
  face.prototype = of.prototype;
  return Object.assign(face, statics) as unknown as F;
}
