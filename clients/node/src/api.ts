import { isObject } from "./jwt.js";
import type { MachineFacts } from "./machine-facts.js";
import { explainProblem, type Redact } from "./messages.js";
import type { HttpResponse } from "./ports.js";

const PREFIX = "/api/v1.0";
const MAX_RETRY_AFTER_SECONDS = 86_400;

/** A request without what the transport needs to know besides. */
export interface ApiRequest {
  /** For `diagnose`. */
  name: "activate" | "heartbeat" | "deactivate" | "fetch keys";
  method: "GET" | "POST";
  path: string;
  body?: Record<string, unknown>;
}

/** What a response says. Times are in seconds since 1970. */
export type ApiResult = TokenResult | ProblemResult | UnreachableResult;

/** A token, which is not verified yet. */
export interface TokenResult {
  kind: "token";
  token: string;
  /** True if the activation took a seat, and false if the machine had it already. */
  isNewSeat: boolean;
  nextHeartbeatAt: number | null;
  inGrace: boolean;
  graceEndsAt: number | null;
}

/** A problem document with a 4xx status, or the token of another product. */
export interface ProblemResult {
  kind: "problem";
  status: number;
  code: string;
  /** What the API says of it, in one line. */
  explanation: string;
  retryAt: number | null;
  /** Seconds, from the header `Retry-After`. */
  retryAfter: number | null;
}

/** Anything else. */
export interface UnreachableResult {
  kind: "unreachable";
  reason: string;
  retryAfter: number | null;
  /** True if no root key signed the key set that was fetched. */
  isUnsigned?: boolean;
  /** Why there is no response. */
  cause?: Error;
}

export function activateRequest(licenseKey: string, machine: MachineFacts): ApiRequest {
  const { machineName } = machine;
  const body = { license_key: licenseKey, ...commonFields(machine), ...(machineName !== null && { machine_name: machineName }) };
  return { name: "activate", method: "POST", path: `${PREFIX}/license-activations/activate`, body };
}

export function heartbeatRequest(token: string, machine: MachineFacts, borrowUntil: Date | null): ApiRequest {
  const borrow = borrowUntil && { borrow_until: formatTime(borrowUntil.getTime() / 1000) };
  const body = { token, ...commonFields(machine), ...borrow };
  return { name: "heartbeat", method: "POST", path: `${PREFIX}/license-keys/heartbeat`, body };
}

export function deactivateRequest(activationId: string, token: string): ApiRequest {
  const path = `${PREFIX}/license-activations/${encodeURIComponent(activationId)}/deactivate`;
  return { name: "deactivate", method: "POST", path, body: { token } };
}

export const keySetRequest: ApiRequest = { name: "fetch keys", method: "GET", path: "/.well-known/jwks.jwt" };

/** Reads a response. `now` is the time, which a date in `Retry-After` is compared with; `redact` replaces secrets in texts. */
export function parseResponse({ status, headers, body }: HttpResponse, now: number, redact: Redact): ApiResult {
  const retryAfter = parseRetryAfter(headers["retry-after"], now);
  if (status === 200 || status === 201)
    return parseToken(body, status === 201) ?? { kind: "unreachable", reason: "invalid_response", retryAfter };
  const problem = isProblem(status, headers["content-type"]) ? parseObject(body) : null;
  if (typeof problem?.code !== "string") return { kind: "unreachable", reason: `http_${status}`, retryAfter };
  const { code } = problem;
  return {
    kind: "problem",
    status,
    code,
    explanation: explainProblem(code, problem, redact),
    retryAt: parseTime(problem.retry_at),
    retryAfter,
  };
}

/** Parses a JSON object, or returns null. */
export function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Formats a time in seconds since 1970 as RFC 3339 in UTC, without fractions. */
export function formatTime(seconds: number): string {
  return new Date(Math.floor(seconds) * 1000).toISOString().replace(".000Z", "Z");
}

function commonFields({ machineId, instanceId, appVersion, os, hostname }: MachineFacts): Record<string, string> {
  const fields = { machine_id: machineId, instance_id: instanceId, app_version: appVersion, os, hostname };
  return Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null));
}

function parseToken(body: string, isNewSeat: boolean): TokenResult | null {
  const { token, next_heartbeat_at, in_grace, grace_ends_at } = parseObject(body) ?? {};
  if (typeof token !== "string") return null;
  return {
    kind: "token",
    token,
    isNewSeat,
    nextHeartbeatAt: parseTime(next_heartbeat_at),
    inGrace: in_grace === true,
    graceEndsAt: parseTime(grace_ends_at),
  };
}

function isProblem(status: number, contentType: string | string[] | undefined): boolean {
  const mediaType = String(contentType).split(";")[0]?.trim().toLowerCase();
  return status >= 400 && status < 500 && mediaType === "application/problem+json";
}

/** Returns the seconds since 1970 of a time in RFC 3339, or null. */
function parseTime(value: unknown): number | null {
  const milliseconds = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(milliseconds) ? null : milliseconds / 1000;
}

/** Returns the seconds that `Retry-After` asks for, at most a day, or null. */
function parseRetryAfter(value: string | string[] | undefined, now: number): number | null {
  if (typeof value !== "string") return null;
  const date = parseTime(value);
  const seconds = /^\d+$/.test(value) ? Number(value) : date === null ? null : date - now;
  return seconds === null ? null : Math.max(0, Math.min(seconds, MAX_RETRY_AFTER_SECONDS));
}
