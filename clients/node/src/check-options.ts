import { X509Certificate } from "node:crypto";
import { SignetError } from "./errors.js";
import type { Options } from "./options.js";

/** Longest machine id, alone and with the instance id, in bytes. */
const MAX_MACHINE_ID_BYTES = 256;
const MAX_INSTANCE_ID_BYTES = 64;
/** The timers of Node end at once if their time is longer. */
const MAX_TIMEOUT_SECONDS = 2_000_000;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Returns the machine id of the app, which can be any value in JavaScript. */
export function checkMachineId(id: unknown): string {
  if (isId(id, MAX_MACHINE_ID_BYTES)) return id;
  throw invalidOption("machineId", `must be 1 to ${MAX_MACHINE_ID_BYTES} bytes of text without control characters`);
}

export function checkInstanceId(id: unknown, machineId: string): string | null {
  if (id === null) return null;
  if (!isId(id, MAX_INSTANCE_ID_BYTES)) {
    throw invalidOption("instanceId", `must be 1 to ${MAX_INSTANCE_ID_BYTES} bytes of text without control characters`);
  }
  if (Buffer.byteLength(machineId) + Buffer.byteLength(id) > MAX_MACHINE_ID_BYTES) {
    throw invalidOption("instanceId", `must have at most ${MAX_MACHINE_ID_BYTES} bytes together with the machine id`);
  }
  return id;
}

/** Returns the URL of a proxy. The message of the error does not contain it, because it can have a password. */
export function checkProxy(proxy: unknown): string | null {
  if (proxy === null) return null;
  if (typeof proxy === "string" && isProxyUrl(proxy)) return proxy;
  throw invalidOption("proxy", "must be an http or https URL with a host, such as http://proxy.example.com:3128");
}

/** Returns the addition to the header `User-Agent`. */
export function checkUserAgent(suffix: unknown): string {
  if (suffix === null || suffix === "") return "";
  // Node sends no other characters in a header.
  if (typeof suffix === "string" && /^[\x20-\x7e\xa0-\xff]*$/.test(suffix)) return ` ${suffix}`;
  throw invalidOption("userAgentSuffix", "must be text in Latin-1 without control characters");
}

export function checkTimeout(name: string, seconds: unknown): number {
  if (typeof seconds === "number" && seconds > 0) return Math.min(seconds, MAX_TIMEOUT_SECONDS);
  throw invalidOption(name, "must be a number of seconds that is more than 0");
}

/** Returns the certificates in PEM that can be read. */
export function checkCertificates(ca: NonNullable<Options["ca"]>): string[] {
  if (Array.isArray(ca) && ca.length === 0) return [];
  const certificates = (Array.isArray(ca) ? ca : [ca]).map(asText).flatMap((text) => text.match(PEM_CERTIFICATE) ?? []);
  const readable = certificates.filter(isReadable);
  if (readable.length > 0) return readable;
  throw invalidOption("ca", "must contain at least one certificate in PEM");
}

export function invalidOption(name: string, allowed: string, options?: ErrorOptions): SignetError {
  return new SignetError("invalid_config", `the option ${name} ${allowed}`, options);
}

function isId(value: unknown, maxBytes: number): value is string {
  return typeof value === "string" && value !== "" && Buffer.byteLength(value) <= maxBytes && !/[\p{Cc}\p{Cs}]/u.test(value);
}

function isProxyUrl(text: string): boolean {
  try {
    const { protocol, hostname } = new URL(text);
    return (protocol === "http:" || protocol === "https:") && hostname !== "";
  } catch {
    return false;
  }
}

function asText(pem: unknown): string {
  return pem instanceof Uint8Array ? new TextDecoder().decode(pem) : String(pem);
}

function isReadable(certificate: string): boolean {
  try {
    return new X509Certificate(certificate).subject !== undefined;
  } catch {
    return false;
  }
}
