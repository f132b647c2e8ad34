import { isObject, type Jwk, verifyJwt } from "./jwt.js";

/** The app, the machine and the process that tokens must be for. */
export interface Identity {
  issuer: string;
  product: string;
  machineId: string;
  /** Null unless processes hold the seats. */
  instanceId: string | null;
}

/** The claims of an accepted token. Times are in seconds since 1970. */
export interface TokenClaims {
  iat: number;
  nbf: number;
  exp: number;
  offlineUntil: number;
  heartbeatInterval: number;
  /** For `diagnose`. */
  licenseId: string | null;
  tierCode: string | null;
  activationId: string;
  features: readonly unknown[];
  featureLimits: Record<string, unknown>;
}

/** Returns the claims of a token that one of the keys signed for this app and this machine, whatever its times, or null. */
export function verifyToken(token: string, keys: Jwk[], identity: Identity): TokenClaims | null {
  const claims = verifyJwt(token, "license+jwt", keys);
  if (claims === null || claims.iss !== identity.issuer || claims.aud !== identity.product) return null;
  const { iat, nbf, exp, activation, enforcement, features, feature_limits: limits } = claims;
  if (!isObject(activation) || !isObject(enforcement)) return null;
  if (activation.machine_id !== identity.machineId) return null;
  if ((activation.instance_id ?? null) !== identity.instanceId) return null;
  const { offline_until: offlineUntil, heartbeat_interval_seconds: heartbeatInterval } = enforcement;
  if (!isTime(iat) || !isTime(nbf) || !isTime(exp) || !isTime(offlineUntil) || !isTime(heartbeatInterval)) return null;
  if (typeof activation.id !== "string") return null;
  return {
    iat,
    nbf,
    exp,
    offlineUntil,
    heartbeatInterval,
    licenseId: textOrNull(claims.sub),
    tierCode: isObject(claims.tier) ? textOrNull(claims.tier.code) : null,
    activationId: activation.id,
    features: Array.isArray(features) ? features : [],
    featureLimits: isObject(limits) ? limits : {},
  };
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
