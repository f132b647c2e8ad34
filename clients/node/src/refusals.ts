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
/** Refusals that end without the user, for example because the customer pays. */
const TEMPORARY_REFUSALS: readonly string[] = ["seat_limit_reached", "suspended", "expired", "product_inactive"];

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
  return refusesLicense(code) || refusesToken(code) || code === "not_found" || code === "seat_limit_reached";
}

/** Returns whether the license key is stored although its activation was refused with this code. */
export function keepsLicenseKey(code: string): boolean {
  return TEMPORARY_REFUSALS.includes(code);
}

/** Returns whether the background task activates again after a refusal with this code. */
export function isRetried(code: string): boolean {
  return TEMPORARY_REFUSALS.includes(code) || refusesToken(code);
}
