import { createPublicKey, type JsonWebKey } from "node:crypto";
import { isIP } from "node:net";
import { SignetError } from "./errors.js";
import { isObject, type Jwk } from "./jwt.js";

/** What is compiled into an app: the content of `signet-app.json`. Unknown fields are ignored. */
export interface AppConfig {
  /** URL of the API. Default: the issuer. https, or http on a loopback host. */
  api_url?: string;
  /** URL of the installation, the `iss` of tokens. */
  issuer: string;
  /** Code of the product, the `aud` of tokens. */
  product: string;
  /** Public root keys of the installation, as JWKs. */
  root_keys: Jwk[];
}

/** A configuration that was checked. */
export interface Config {
  apiUrl: string;
  issuer: string;
  product: string;
  rootKeys: Jwk[];
}

/** Checks the configuration of an app, given as an object or as JSON text. */
export function parseConfig(source: AppConfig | string): Config {
  const config = typeof source === "string" ? parseJson(source) : source;
  const { issuer, product, root_keys: rootKeys, api_url: apiUrl = issuer } = (config ?? {}) as Partial<AppConfig>;
  if (typeof issuer !== "string" || issuer === "") throw invalid("issuer must be the URL of the installation");
  if (typeof product !== "string" || product === "") throw invalid("product must be the code of the product");
  if (!Array.isArray(rootKeys) || rootKeys.length === 0 || !rootKeys.every(isPublicRsaKey)) {
    throw invalid("root_keys must be a list of public RSA keys as JWKs, with kty, n and e");
  }
  if (typeof apiUrl !== "string" || !isAllowedUrl(apiUrl)) {
    throw invalid("api_url must be an https URL, or http on a loopback host, without user information, query and fragment");
  }
  return { apiUrl: apiUrl.replace(/\/+$/, ""), issuer, product, rootKeys };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("the configuration must be a JSON object");
  }
}

function isPublicRsaKey(key: unknown): boolean {
  if (!isObject(key) || key.kty !== "RSA") return false;
  try {
    return createPublicKey({ key: key as JsonWebKey, format: "jwk" }).asymmetricKeyType === "rsa";
  } catch {
    return false;
  }
}

function isAllowedUrl(text: string): boolean {
  try {
    const { protocol, hostname, username, password } = new URL(text);
    // Paths are appended to the text, so that an empty query or fragment is not allowed either.
    if (/[?#]/.test(text) || username !== "" || password !== "") return false;
    return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
  } catch {
    return false;
  }
}

/** Returns whether a host name of a URL is that of this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || (isIP(hostname) === 4 && hostname.startsWith("127."));
}

function invalid(message: string): SignetError {
  return new SignetError("invalid_config", message);
}
