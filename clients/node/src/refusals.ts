/** Codes with which the API refuses the license, to a heartbeat and to an activation. */
const LICENSE_REFUSALS: readonly string[] = [
  "revoked",
  "superseded",
  "suspended",
  "expired",
  "product_inactive",
  "generation_outdated",
];
/** Codes with which the API refuses a token whose license key may still be valid. */
const TOKEN_REFUSALS: readonly string[] = ["not_activated", "token_invalid", "machine_mismatch"];
/** The license key is one of another product. This code is not from the API. */
export const WRONG_PRODUCT = "wrong_product";
/** Codes of a license key that is not one of this product. */
const KEY_REFUSALS: readonly string[] = ["not_found", WRONG_PRODUCT];
/** Refusals that end without the user, for example because the customer pays. */
const TEMPORARY_REFUSALS: readonly string[] = ["seat_limit_reached", "suspended", "expired", "product_inactive"];

/** A refusal that another process has stored since a request was sent. The token in the response is not stored. */
export interface RacedRefusal {
  kind: "raced";
  code: string;
}

/** Returns whether a code ends the license of an app that sent a heartbeat. */
export function refusesLicense(code: string): boolean {
  return LICENSE_REFUSALS.includes(code);
}

/** Returns whether the app activates again after this code to a heartbeat. */
export function refusesToken(code: string): boolean {
  return TOKEN_REFUSALS.includes(code);
}

/** Returns whether a code is a refusal of an activation. */
export function refusesActivation(code: string): boolean {
  return refusesLicense(code) || refusesToken(code) || refusesKey(code) || code === "seat_limit_reached";
}

/** Returns whether a code says that the license key is not one of this product, because the user mistyped it or took another. */
export function refusesKey(code: string): boolean {
  return KEY_REFUSALS.includes(code);
}

/** Returns whether the license key is stored although its activation was refused with this code. */
export function keepsLicenseKey(code: string): boolean {
  return TEMPORARY_REFUSALS.includes(code);
}

/** Returns whether the background task activates again after a refusal with this code. */
export function isRetried(code: string): boolean {
  return TEMPORARY_REFUSALS.includes(code) || refusesToken(code);
}
