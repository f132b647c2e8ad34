import { formatTime } from "./api.js";
import type { State } from "./state.js";

/** Returns the text form of a state, such as `Active until 2026-01-15T13:00:00Z`. */
export function formatState(state: State): string {
  switch (state.name) {
    case "Unactivated":
      return state.hasLicenseKey ? `Unactivated (a license key is stored; ${state.reason})` : "Unactivated";
    case "Active":
      return `Active until ${time(state.until)}${state.inGrace ? `, in grace${until(state.graceEndsAt)}` : ""}`;
    case "Offline":
      return `Offline until ${time(state.until)} (${state.reason})`;
    case "Expired":
      return `Expired since ${time(state.since)}`;
    case "Refused":
      return `Refused (${state.code})${state.retryAt ? `, retry at ${time(state.retryAt)}` : ""}`;
    case "ClockTampered":
      return "ClockTampered";
  }
}

function until(date: Date | null): string {
  return date === null ? "" : ` until ${time(date)}`;
}

function time(date: Date): string {
  return formatTime(date.getTime() / 1000);
}
