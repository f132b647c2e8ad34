import type { Config } from "./config.js";
import { isJwt, isObject, isSignedByOneOf, type Jwk, thumbprint, verifyJwt } from "./jwt.js";

/** A key set that a root key signed. */
export interface KeySet {
  /** When it was signed, in seconds since 1970. */
  iat: number;
  /** Until when it is accepted from the network, in seconds since 1970. */
  exp: number;
  keys: Jwk[];
}

/** Verifies a signed key set, or returns null. Its `exp` is not checked. */
export function verifyKeySet(text: string, { issuer, rootKeys }: Config): KeySet | null {
  const claims = verifyJwt(text.trim(), "jwk-set+jwt", withKeyIds(rootKeys));
  if (claims === null || claims.iss !== issuer || claims.sub !== issuer) return null;
  const { iat, exp, keys } = claims;
  if (typeof iat !== "number" || typeof exp !== "number" || !Array.isArray(keys)) return null;
  return { iat, exp, keys: keys.filter(isObject) as Jwk[] };
}

/** Returns whether a text is a JWT that a root key signed, whatever it claims. */
export function isSignedByRootKey(text: string, { rootKeys }: Config): boolean {
  return isJwt(text) && isSignedByOneOf(text, withKeyIds(rootKeys));
}

function withKeyIds(rootKeys: Jwk[]): Jwk[] {
  return rootKeys.map((key) => ({ ...key, kid: thumbprint(key) }));
}
