import type { Clock } from "./clock.js";
import { formatState } from "./format-state.js";
import type { LicenseStore } from "./license-store.js";
import type { State } from "./state.js";

/** Derives the state from what is stored, the time, and the reason for which there is no token, or no newer one. */
export function deriveState(store: LicenseStore, clock: Clock, reason: string): State {
  const state = decideState(store, clock, reason);
  // Not enumerable, so that a copy of the state for another process of Electron is plain data.
  return Object.defineProperty(state, "toString", { value: () => formatState(state) });
}

function decideState({ refusal, token, claims, licenseKey }: LicenseStore, clock: Clock, reason: string): State {
  if (refusal !== null) {
    return { name: "Refused", mayRun: false, code: refusal.code, retryAt: date(refusal.retry_at) };
  }
  if (token === null || claims === null) {
    const hasLicenseKey = licenseKey !== null;
    return { name: "Unactivated", mayRun: false, hasLicenseKey, reason: hasLicenseKey ? reason : null };
  }
  if (clock.isTampered) return { name: "ClockTampered", mayRun: false };
  if (clock.now > claims.offlineUntil) return { name: "Expired", mayRun: false, since: date(claims.offlineUntil) };
  if (clock.now > claims.exp) return { name: "Offline", mayRun: true, until: date(claims.offlineUntil), reason };
  return {
    name: "Active",
    mayRun: true,
    until: date(claims.exp),
    inGrace: token.in_grace,
    graceEndsAt: date(token.grace_ends_at),
  };
}

/** Returns whether two states differ in anything but the `until` of `Active`. */
export function isChange(before: State, after: State): boolean {
  const comparable = (state: State) => JSON.stringify(state.name === "Active" ? { ...state, until: null } : state);
  return comparable(before) !== comparable(after);
}

function date(seconds: number): Date;
function date(seconds: number | null): Date | null;
function date(seconds: number | null): Date | null {
  return seconds === null ? null : new Date(seconds * 1000);
}
