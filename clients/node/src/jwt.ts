import { createHash, createPublicKey, type JsonWebKey, verify } from "node:crypto";

/** A public RSA key as a JSON Web Key (RFC 7517). */
export interface Jwk {
  kty: string;
  kid?: string;
  n: string;
  e: string;
  [field: string]: unknown;
}

/** The claims of a JWT, as they were signed. */
export type Claims = Record<string, unknown>;

/**
 * Returns the claims of a JWT in compact form, or null if it is not valid.
 *
 * It is valid if its header has `alg` RS256, this `typ`, no `crit`, and the `kid` of one of the keys, which signed it.
 */
export function verifyJwt(jwt: string, typ: string, keys: Jwk[]): Claims | null {
  const header = readHeader(jwt);
  if (header?.alg !== "RS256" || header.typ !== typ || "crit" in header || !isSignedByOneOf(jwt, keys)) return null;
  return decodeObject(jwt.split(".")[1]);
}

/** Returns whether a text has the form of a JWT. */
export function isJwt(text: string): boolean {
  return readHeader(text) !== null;
}

/** Returns whether the header of a JWT has the `kid` of one of the keys, which signed it, whatever else it contains. */
export function isSignedByOneOf(jwt: string, keys: Jwk[]): boolean {
  const keyId = readKeyId(jwt);
  const key = keys.find(({ kid }) => kid !== undefined && kid === keyId);
  return key !== undefined && isSignedBy(jwt, key);
}

/** Returns the `kid` in the header of a JWT, without verifying it, or null. */
export function readKeyId(jwt: string): string | null {
  const kid = readHeader(jwt)?.kid;
  return typeof kid === "string" ? kid : null;
}

/** Returns the thumbprint of an RSA key (RFC 7638). */
export function thumbprint({ e, kty, n }: Jwk): string {
  return createHash("sha256").update(JSON.stringify({ e, kty, n })).digest("base64url");
}

function readHeader(jwt: string): Claims | null {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(jwt) ? decodeObject(jwt.split(".")[0]) : null;
}

function isSignedBy(jwt: string, jwk: Jwk): boolean {
  const end = jwt.lastIndexOf(".");
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
    if (key.asymmetricKeyType !== "rsa") return false;
    return verify("sha256", Buffer.from(jwt.slice(0, end)), key, Buffer.from(jwt.slice(end + 1), "base64url"));
  } catch {
    return false;
  }
}

function decodeObject(part: string | undefined): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? "", "base64url").toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Returns whether a value that was parsed from JSON is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
