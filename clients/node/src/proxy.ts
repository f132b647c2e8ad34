import { isIP } from "node:net";
import { isLoopback } from "./config.js";

/**
 * Returns the proxy for a URL: the given one, or that of the environment unless the host is a loopback host, or null. Throws if it is not a valid
 * URL.
 */
export function findProxy(url: URL, explicit: string | null, environment = process.env): URL | null {
  if (explicit !== null) return new URL(explicit);
  if (isLoopback(url.hostname)) return null;
  const variable = (name: string) => environment[name] || environment[name.toUpperCase()];
  const address = variable(`${url.protocol.slice(0, -1)}_proxy`) ?? variable("all_proxy");
  if (!address || isExcluded(url, variable("no_proxy") ?? "")) return null;
  const proxy = parseUrl(address.includes("://") ? address : `http://${address}`);
  // Other kinds of proxies, such as SOCKS, are not supported.
  return proxy.protocol === "http:" || proxy.protocol === "https:" ? proxy : null;
}

/** The message of the error does not contain the URL, because it can have a password. */
function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new Error("the URL of the proxy in the environment is not valid");
  }
}

/** Returns the header with the user name and the password in the URL of a proxy. */
export function proxyHeaders({ username, password }: URL): Record<string, string> {
  if (username === "") return {};
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  return { "Proxy-Authorization": `Basic ${credentials.toString("base64")}` };
}

/** Returns whether a list such as `localhost,.example.com,10.0.0.1:8080,*` excludes the host of a URL. */
function isExcluded(url: URL, list: string): boolean {
  const host = withoutBrackets(url.hostname);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list.split(/[\s,]+/).some((entry) => {
    // An IPv6 address without brackets has no port.
    const [, name = entry, entryPort] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? [];
    const domain = withoutBrackets(name.toLowerCase()).replace(/^\*?\./, "");
    if (domain === "" || (entryPort !== undefined && entryPort !== port)) return false;
    return domain === "*" || domain === host || (isIP(host) === 0 && host.endsWith(`.${domain}`));
  });
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}
