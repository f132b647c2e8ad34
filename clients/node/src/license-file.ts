import type { Config } from "./config.js";
import { isObject } from "./jwt.js";
import { verifyKeySet } from "./key-set.js";
import { type Identity, type TokenClaims, verifyToken } from "./token.js";

/** For how long after its `iat` the key set of a license file verifies the token of the file. */
const MAX_KEY_SET_AGE_SECONDS = 400 * 86_400;

/** The token of a license file, and what it claims. */
export interface LicenseFile {
  token: string;
  claims: TokenClaims;
}

/** Verifies a license file at a time, except for the end of its token. Returns null if it is not valid. */
export function verifyLicenseFile(text: string, config: Config, identity: Identity, now: number): LicenseFile | null {
  const file = parse(text);
  if (file?.format !== "signet-license/1" || file.issuer !== config.issuer || file.product !== config.product) return null;
  if (typeof file.signed_jwks !== "string" || typeof file.token !== "string") return null;
  const keySet = verifyKeySet(file.signed_jwks, config);
  if (keySet === null || now > keySet.iat + MAX_KEY_SET_AGE_SECONDS) return null;
  const claims = verifyToken(file.token, keySet.keys, identity);
  return claims && { token: file.token, claims };
}

/** Returns whether a token is that of a license file, which is not verified. */
export function containsToken(text: string, token: string): boolean {
  return parse(text)?.token === token;
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const file: unknown = JSON.parse(text);
    return isObject(file) ? file : null;
  } catch {
    return null;
  }
}
