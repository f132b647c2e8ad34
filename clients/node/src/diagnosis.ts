import { formatTime } from "./api.js";
import type { ClientOptions } from "./client.js";
import type { Clock } from "./clock.js";
import type { Config } from "./config.js";
import type { LicenseStore } from "./license-store.js";
import type { State } from "./state.js";
import { VERSION } from "./version.js";

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

/** Returns lines of text for support, without tokens and license keys. */
export function formatDiagnosis({ config, options, store, clock, state, ...contact }: Diagnosis): string {
  const { token, claims, keySet, licenseKey, refusal } = store;
  const { lastContact, lastFailure, secondsToNextRequest: next } = contact;
  const lines: [string, string | number][] = [
    ["client", `signet-client-node ${VERSION}, Node ${process.versions.node}, ${process.platform} ${process.arch}`],
    ["product", config.product],
    ["issuer", config.issuer],
    ["API", config.apiUrl],
    ["machine id", `${options.machineId}${options.isEphemeral ? " (ephemeral)" : ""}`],
    ["instance id", options.instanceId ?? "none"],
    ["state", formatState(state)],
    [
      "token",
      token ? `${claims ? "accepted" : "not accepted"}, from ${store.isFromLicenseFile ? "a license file" : "the API"}` : "none",
    ],
    ["token issued at", time(claims?.iat)],
    ["token ends at", time(claims?.exp)],
    ["offline until", time(claims?.offlineUntil)],
    ["grace ends at", time(token?.grace_ends_at)],
    ["next heartbeat", time(token?.next_heartbeat_at)],
    ["next request", next === null ? "none" : `in ${Math.round(next)} s`],
    ["refused at", time(refusal?.at)],
    ["last contact", time(lastContact)],
    ["last failure", lastFailure ?? "none"],
    ["key set", keySet ? `signed ${Math.round((clock.now - keySet.iat) / 3600)} hours ago` : "none"],
    ["license key", licenseKey === null ? "not stored" : "stored"],
    ["time", time(clock.now)],
    [
      "clock",
      `behind ${Math.round(clock.behind)} s, set back ${Math.round(clock.setBack)} s since ${time(clock.reference || null)}`,
    ],
    ["storage", options.storageName],
    ["not writable", store.unwritableFiles.join(", ") || "none"],
  ];
  return lines.map(([name, value]) => `${name}: ${value}`).join("\n");
}

function formatState({ name, mayRun: _, ...fields }: State): string {
  const parts = Object.entries(fields).map(([field, value]) => {
    return `${field} ${value instanceof Date ? time(value.getTime() / 1000) : value}`;
  });
  return parts.length === 0 ? name : `${name} (${parts.join(", ")})`;
}

function time(seconds: number | null | undefined): string {
  return seconds == null ? "none" : formatTime(seconds);
}
