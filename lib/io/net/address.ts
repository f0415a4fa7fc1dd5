/** What may be wrong with an address, told at the call that is given it. */
import { checkOptional, wrongType } from "../../internal/check.ts";

const HIGHEST_PORT = 65535;

/**
 * @throws {TypeError} unless `value` is where a stream server can be reached: a port or a path
 * @throws {RangeError} if its port is out of range
 */
export function checkAddress(action: string, value: unknown): void {
  if (typeof value !== "object" || value === null) {
    throw wrongType(action, "address must be an object", value);
  }
  const { transport = "tcp", port, hostname, path } = value as Record<string, unknown>;
  if (transport === "unix") return checkPath(action, "address.path", path);
  if (transport !== "tcp") {
    throw wrongType(action, 'address.transport must be "tcp" or "unix"', transport);
  }
  checkPort(action, "address.port", port);
  checkOptional(action, "address.hostname", hostname, "string");
}

/** @throws {TypeError} unless `value` is a path of the file system */
export function checkPath(action: string, argument: string, value: unknown): void {
  if (typeof value === "string" && value !== "") return;
  throw wrongType(action, `${argument} must be a string that isn't empty`, value);
}

/**
 * @throws {TypeError} unless `value` is a number
 * @throws {RangeError} unless it is a port
 */
export function checkPort(action: string, argument: string, value: unknown): void {
  if (typeof value !== "number") {
    throw wrongType(action, `${argument} must be a number`, value);
  }
  if (Number.isInteger(value) && value >= 0 && value <= HIGHEST_PORT) return;
  throw new RangeError(
    `Cannot ${action}: ${argument} must be an integer from 0 to ${HIGHEST_PORT}, got ${value}`,
  );
}

/** @throws {TypeError} unless `value` is `undefined`, or a certificate and its key in PEM */
export function checkServerTls(action: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== "object" || value === null) {
    throw wrongType(action, "tls must be an object with cert and key", value);
  }
  for (const name of ["cert", "key"]) {
    const pem = (value as Record<string, unknown>)[name];
    if (typeof pem === "string") continue;
    throw wrongType(action, `tls.${name} must be a string`, pem);
  }
}

/** @throws {TypeError} unless `value` says how a client does TLS, or whether */
export function checkClientTls(action: string, value: unknown): void {
  if (value === undefined || typeof value === "boolean") return;
  if (typeof value !== "object" || value === null) {
    throw wrongType(action, "tls must be a boolean or an object", value);
  }
  const { caCerts } = value as Record<string, unknown>;
  if (caCerts === undefined || Array.isArray(caCerts)) return;
  throw wrongType(action, "tls.caCerts must be an array", caCerts);
}
