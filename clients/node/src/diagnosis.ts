import { formatTime } from "./api.js";
import type { ClientOptions } from "./client.js";
import type { Clock } from "./clock.js";
import type { Config } from "./config.js";
import type { LicenseStore } from "./license-store.js";
import type { State } from "./state.js";
import { VERSION } from "./version.js";

const DAY_SECONDS = 86_400;
const NONE_YET = "none since the start";

/** What `diagnose` describes. */
export interface Diagnosis {
  config: Config;
  options: ClientOptions;
  store: LicenseStore;
  clock: Clock;
  state: State;
  lastContact: number | null;
  lastFailure: string | null;
  secondsToNextRequest: number | null;
}

/** Returns lines of text for support, without tokens and license keys. They are the same in all languages. */
export function formatDiagnosis({ config, options, store, clock, state, ...contact }: Diagnosis): string {
  const { lastContact, lastFailure, secondsToNextRequest: next } = contact;
  const lines: [string, string][] = [
    ["client", `signet-client-node ${VERSION}, Node ${process.versions.node}, ${process.platform} ${process.arch}`],
    ["product", config.product],
    ["issuer", config.issuer],
    ["api url", config.apiUrl],
    ["machine id", `${options.machineId}${options.isEphemeral ? " (ephemeral)" : ""}`],
    ...(options.instanceId === null ? [] : [["instance id", options.instanceId] satisfies [string, string]]),
    ["state", String(state)],
    ["license", formatLicense(store)],
    ["token", formatToken(store)],
    ["license key", store.licenseKey === null ? "not stored" : "stored"],
    ["next request", next === null ? "none" : formatTime(clock.now + next)],
    ["last contact", lastContact === null ? NONE_YET : formatTime(lastContact)],
    ["last failure", lastFailure ?? NONE_YET],
    ["key set", formatKeySet(store, clock.now)],
    ["clock", formatClock(clock)],
    ["storage", [options.storageName, ...notWritable(store)].join(", ")],
  ];
  return lines.map(([name, value]) => `${name}: ${value}`).join("\n");
}

function formatLicense({ claims }: LicenseStore): string {
  if (claims === null) return "none";
  return `${claims.licenseId ?? "unknown"}, tier ${claims.tierCode ?? "unknown"}`;
}

function formatToken({ claims, isFromLicenseFile }: LicenseStore): string {
  if (claims === null) return "none";
  const { iat, exp, offlineUntil } = claims;
  const times = `issued ${formatTime(iat)}, exp ${formatTime(exp)}, offline until ${formatTime(offlineUntil)}`;
  return isFromLicenseFile ? `${times}, from a license file` : times;
}

function formatKeySet({ keySet }: LicenseStore, now: number): string {
  if (keySet === null) return "none";
  return `issued ${formatTime(keySet.iat)}, ${Math.max(0, Math.floor((now - keySet.iat) / DAY_SECONDS))} days old`;
}

function formatClock({ now, behind, setBack, reference }: Clock): string {
  const amounts = `behind ${Math.round(behind)} s, set back ${Math.round(setBack)} s`;
  return `${formatTime(now)}, ${amounts}, reference ${reference === 0 ? "none" : formatTime(reference)}`;
}

function notWritable({ unwritableFiles: names }: LicenseStore): string[] {
  return names.length === 0 ? [] : [`not writable: ${names.join(", ")}`];
}
