import { type Claims, isObject, type Jwk, verifyJwt } from "./jwt.js";

/** The app, the machine and the process that tokens must be for. */
export interface Identity {
  issuer: string;
  product: string;
  machineId: string;
  /** Null unless processes hold the seats. */
  instanceId: string | null;
}

/** The claims of a token. Times are in seconds since 1970. */
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
  machineId: unknown;
  instanceId: unknown;
  features: readonly unknown[];
  featureLimits: Record<string, unknown>;
}

/** Whether a token is accepted, whatever its times. The product and the machine decide only if everything else is right. */
export type TokenCheck =
  | { kind: "accepted"; claims: TokenClaims }
  | { kind: "wrongProduct"; claims: TokenClaims; product: string }
  | { kind: "wrongMachine"; product: string }
  | { kind: "invalid" };

/** Checks that one of the keys signed a token for this app and this machine. */
export function checkToken(token: string, keys: Jwk[], identity: Identity): TokenCheck {
  const signed = verifyJwt(token, "license+jwt", keys);
  const claims = signed && signed.iss === identity.issuer ? readClaims(signed) : null;
  if (signed === null || claims === null || typeof signed.aud !== "string") return { kind: "invalid" };
  const product = signed.aud;
  if (claims.machineId !== identity.machineId || claims.instanceId !== identity.instanceId)
    return { kind: "wrongMachine", product };
  if (product !== identity.product) return { kind: "wrongProduct", claims, product };
  return { kind: "accepted", claims };
}

/** Returns the claims of a token, or null if one is missing. */
function readClaims(claims: Claims): TokenClaims | null {
  const { sub, iat, nbf, exp, tier, activation, enforcement, features, feature_limits: limits } = claims;
  if (!isObject(activation) || !isObject(enforcement)) return null;
  const { offline_until: offlineUntil, heartbeat_interval_seconds: heartbeatInterval } = enforcement;
  if (!isTime(iat) || !isTime(nbf) || !isTime(exp) || !isTime(offlineUntil) || !isTime(heartbeatInterval)) return null;
  if (typeof activation.id !== "string") return null;
  return {
    iat,
    nbf,
    exp,
    offlineUntil,
    heartbeatInterval,
    licenseId: textOrNull(sub),
    tierCode: isObject(tier) ? textOrNull(tier.code) : null,
    activationId: activation.id,
    machineId: activation.machine_id,
    instanceId: activation.instance_id ?? null,
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
