import { isObject } from "./jwt.js";

/** Content of `token.json`. Times are in seconds since 1970. */
export interface TokenRecord {
  token: string;
  /** When the next heartbeat is due. */
  next_heartbeat_at: number;
  /** True while the license key has expired and is still honoured. */
  in_grace: boolean;
  grace_ends_at: number | null;
  /** The text of the license file that the token is from. */
  license_file: string | null;
}

/** Content of `refusal.json`. Times are in seconds since 1970. */
export interface RefusalRecord {
  id: string;
  code: string;
  at: number;
  retry_at: number | null;
}

/** Content of `clock.json`, in seconds. */
export interface ClockRecord {
  last_seen: number;
  behind: number;
  set_back: number;
  reference: number;
}

/** Returns the content of `token.json`, or null if it is of another format. */
export function parseTokenRecord(text: string | null): TokenRecord | null {
  const { token, next_heartbeat_at, in_grace, grace_ends_at, license_file } = parseObject(text);
  if (typeof token !== "string" || !isNumber(next_heartbeat_at)) return null;
  return {
    token,
    next_heartbeat_at,
    in_grace: in_grace === true,
    grace_ends_at: isNumber(grace_ends_at) ? grace_ends_at : null,
    license_file: typeof license_file === "string" ? license_file : null,
  };
}

/** Returns the content of `refusal.json`, or null if it is of another format. */
export function parseRefusalRecord(text: string | null): RefusalRecord | null {
  const { id, code, at, retry_at } = parseObject(text);
  if (typeof id !== "string" || typeof code !== "string" || !isNumber(at)) return null;
  return { id, code, at, retry_at: isNumber(retry_at) ? retry_at : null };
}

/** Returns the content of `clock.json`, or null if it is of another format. */
export function parseClockRecord(text: string | null): ClockRecord | null {
  const { last_seen, behind, set_back, reference } = parseObject(text);
  if (!isNumber(last_seen) || !isNumber(behind) || !isNumber(set_back) || !isNumber(reference)) return null;
  return { last_seen, behind, set_back, reference };
}

function parseObject(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
