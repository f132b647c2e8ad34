import tls from "node:tls";

type GetCertificates = (type: "default" | "system") => string[];

/**
 * Creates the context of TLS connections: the certificates of Node, those of the operating system, and extra ones (PEM).
 *
 * Node 22.15 and later can read those of the operating system.
 */
export function createTrust(extraCertificates: readonly string[]): tls.SecureContext {
  const ca = trustedCertificates(extraCertificates);
  return tls.createSecureContext(ca === null ? {} : { ca });
}

/** Returns null for the default of Node. */
function trustedCertificates(extra: readonly string[]): string[] | null {
  const get = (tls as { getCACertificates?: GetCertificates }).getCACertificates;
  if (get === undefined) return extra.length === 0 ? null : [...tls.rootCertificates, ...extra];
  return [...new Set([...get("default"), ...get("system"), ...extra])];
}
