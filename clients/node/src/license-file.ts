import { formatTime } from "./api.js";
import type { Config } from "./config.js";
import { isObject } from "./jwt.js";
import { isSignedByRootKey, verifyKeySet } from "./key-set.js";
import { quoteProduct, UNSIGNED_KEY_SET } from "./messages.js";
import { checkToken, type Identity, type TokenCheck, type TokenClaims } from "./token.js";

/** For how long after its `iat` the key set of a license file verifies the token of the file. */
const MAX_KEY_SET_AGE_SECONDS = 400 * 86_400;
const FIELDS = ["issuer", "product", "token", "signed_jwks"] as const;

/** The token of a license file, and what it claims; or why the file is not valid. */
export type LicenseFile = { isValid: true; token: string; claims: TokenClaims } | { isValid: false; reason: string };

/** Verifies a license file at a time, the later of that of the client and the wall clock, except for the end of its token. */
export function verifyLicenseFile(text: string, config: Config, identity: Identity, now: number): LicenseFile {
  const file = parse(text);
  if (file === null) return invalid("it is not a license file");
  if (!isSignedByRootKey(file.signed_jwks, config)) return invalid(`its ${UNSIGNED_KEY_SET}`);
  const check = checkFileToken(file, config, identity, now);
  if (check.kind === "invalid") return invalid("its token is not valid");
  const audience = check.kind === "accepted" ? config.product : check.product;
  const product = audience === config.product ? file.product : audience;
  if (product !== config.product) return invalid(`it is for the product ${quoteProduct(product)}`);
  if (check.kind !== "accepted") return invalid("it is for another machine");
  return { isValid: true, token: file.token, claims: check.claims };
}

/** Returns why a valid license file has ended, or null if it has not. */
export function explainEnd({ offlineUntil }: TokenClaims, now: number): string | null {
  return offlineUntil < now ? `it ended at ${formatTime(offlineUntil)}` : null;
}

/** Returns whether a token is that of a license file, which is not verified. */
export function containsToken(text: string, token: string): boolean {
  return parse(text)?.token === token;
}

function checkFileToken(file: FileContent, config: Config, identity: Identity, now: number): TokenCheck {
  const keySet = verifyKeySet(file.signed_jwks, config);
  const isUsable = keySet !== null && file.issuer === config.issuer && now <= keySet.iat + MAX_KEY_SET_AGE_SECONDS;
  return isUsable ? checkToken(file.token, keySet.keys, identity) : { kind: "invalid" };
}

type FileContent = Record<(typeof FIELDS)[number], string>;

function parse(text: string): FileContent | null {
  try {
    const file: unknown = JSON.parse(text);
    const isFile =
      isObject(file) && file.format === "signet-license/1" && FIELDS.every((field) => typeof file[field] === "string");
    return isFile ? (file as FileContent) : null;
  } catch {
    return null;
  }
}

function invalid(reason: string): LicenseFile {
  return { isValid: false, reason };
}
