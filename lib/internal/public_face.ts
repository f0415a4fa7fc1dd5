/**
 * What users see of a class that they may not construct: `instanceof` is that of the class, `new`
 * says what to do instead. So the class itself need not check anything.
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
