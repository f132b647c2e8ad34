import { isIP } from "node:net";
import { SignetError } from "./errors.js";
import type { Jwk } from "./jwt.js";

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
  if (!Array.isArray(rootKeys) || !rootKeys.some((key) => key?.kty === "RSA")) {
    throw invalid("root_keys must contain a public RSA key as a JWK");
  }
  if (typeof apiUrl !== "string" || !isAllowedUrl(apiUrl)) {
    throw invalid("api_url must be an https URL, or http on a loopback host");
  }
  return { apiUrl: apiUrl.replace(/\/+$/, ""), issuer, product, rootKeys: rootKeys.filter((key) => key?.kty === "RSA") };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("the configuration must be a JSON object");
  }
}

function isAllowedUrl(text: string): boolean {
  try {
    const { protocol, hostname } = new URL(text);
    return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
  } catch {
    return false;
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || (isIP(hostname) === 4 && hostname.startsWith("127."));
}

function invalid(message: string): SignetError {
  return new SignetError("invalid_config", message);
}
