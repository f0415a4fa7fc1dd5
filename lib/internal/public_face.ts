/**
 * What users see of a class that they may not construct: `instanceof` and the static methods are
 * those of the class, `new` says what to do instead. The class itself need not check anything.
 */
export function publicFace<F>(name: string, of: { prototype: object }, instead: string): F {
  const face = {
    [name]: function (): never {
      throw new TypeError(`Cannot construct ${name}: ${instead}`);
    },
  }[name]!;
  const statics = Object.getOwnPropertyDescriptors(of) as Record<string, PropertyDescriptor>;
  for (const [key, descriptor] of Object.entries(statics)) {
    if (typeof descriptor.value === "function") Object.defineProperty(face, key, descriptor);
  }
  face.prototype = of.prototype;
  return face as F;
}
