import http from "node:http";
import https from "node:https";
import { isIP, type Socket } from "node:net";
import tls from "node:tls";
import { abortWhenAlone } from "./exit-guard.js";
import type { HttpRequest, HttpResponse, Transport } from "./ports.js";
import { findProxy, proxyHeaders } from "./proxy.js";
import { createTrust } from "./trust-store.js";

const MAX_BODY_BYTES = 1_000_000;
/** Time for each address of a host name. The default of Node, 250 ms, is too short for slow networks. */
const ADDRESS_TIMEOUT_MS = 2_500;

/** Options of the transport. */
export interface HttpOptions {
  apiUrl: string;
  /** URL of the proxy, or null for that of the environment. */
  proxy: string | null;
  /** Certificates in PEM that are trusted besides those of the system. */
  ca: readonly string[];
  userAgent: string;
  connectTimeoutSeconds: number;
  timeoutSeconds: number;
}

/** Sends requests with the HTTP client of Node: no redirects, no cookies, no connection that stays open. */
export class HttpTransport implements Transport {
  #secureContext: tls.SecureContext | undefined;

  constructor(private readonly options: HttpOptions) {}

  async send(request: HttpRequest): Promise<HttpResponse> {
    const deadline = new Deadline(request.signal, request.timeoutSeconds ?? this.options.timeoutSeconds);
    const connecting = deadline.limit("no connection", this.options.connectTimeoutSeconds);
    try {
      const response = await this.#open(request, { deadline, isBackground: request.isBackground, onConnect: connecting.clear });
      return { status: response.statusCode ?? 0, headers: response.headers, body: await readBody(response) };
    } catch (error) {
      throw deadline.expired ?? describeFault(error);
    } finally {
      connecting.clear();
      deadline.clear();
    }
  }

  async #open(request: HttpRequest, attempt: Attempt): Promise<http.IncomingMessage> {
    const url = new URL(this.options.apiUrl + request.path);
    const proxy = findProxy(url, this.options.proxy);
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const options = {
      method: request.method,
      headers: {
        "User-Agent": this.options.userAgent,
        Accept: "application/json, application/problem+json, application/jwt",
        ...(body !== undefined && { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }),
      },
    };
    if (proxy === null) return exchange(url, { ...options, ...this.#trust(url) }, body, attempt);
    if (url.protocol === "http:") return exchange(proxy, this.#throughProxy(url, proxy, options), body, attempt);
    const socket = await this.#openTunnel(url, proxy, attempt);
    const createConnection = () => tls.connect({ socket, host: hostOf(url), ...serverName(url), ...this.#trust(url) });
    // `createConnection` is used only without an agent.
    return exchange(url, { ...options, agent: undefined, createConnection }, body, attempt);
  }

  /** A proxy gets the whole URL of a request that is not encrypted. */
  #throughProxy(url: URL, proxy: URL, options: https.RequestOptions): https.RequestOptions {
    const headers = { ...options.headers, ...proxyHeaders(proxy), Host: url.host };
    return { ...options, headers, path: url.href, ...this.#trust(proxy) };
  }

  /** Asks a proxy for a connection to the host of a URL. */
  async #openTunnel(url: URL, proxy: URL, attempt: Attempt): Promise<Socket> {
    const target = `${url.hostname}:${url.port || 443}`;
    const headers = { Host: target, "User-Agent": this.options.userAgent, ...proxyHeaders(proxy) };
    const options = { method: "CONNECT", path: target, headers, ...this.#trust(proxy) };
    return new Promise((resolve, reject) => {
      const request = start(proxy, options, { ...attempt, onConnect: () => {} });
      request.once("connect", (response, socket: Socket) => {
        if (response.statusCode === 200) return resolve(socket);
        socket.destroy();
        reject(new Error(`the proxy answered with status ${response.statusCode}`));
      });
      request.once("response", () => reject(new Error("the proxy opened no tunnel")));
      request.once("error", reject);
      request.end();
    });
  }

  #trust(url: URL): { secureContext?: tls.SecureContext } {
    if (url.protocol !== "https:") return {};
    this.#secureContext ??= createTrust(this.options.ca);
    return { secureContext: this.#secureContext };
  }
}

/** What all connections of a request share. */
interface Attempt {
  deadline: Deadline;
  isBackground: boolean;
  onConnect: () => void;
}

/** Cancels a request when the caller does, or when a time is over. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #total: { clear: () => void };
  readonly #abort = () => this.#controller.abort();
  /** Says which time is over. */
  expired: Error | undefined;

  constructor(
    private readonly caller: AbortSignal | undefined,
    seconds: number,
  ) {
    this.#total = this.limit("no response", seconds);
    if (caller?.aborted) this.#abort();
    caller?.addEventListener("abort", this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Cancels the request after a time, until the limit is cleared. */
  limit(missing: string, seconds: number): { clear: () => void } {
    const expire = () => {
      this.expired ??= new Error(`${missing} within ${seconds} s`);
      this.#abort();
    };
    const timer = setTimeout(expire, seconds * 1000);
    timer.unref();
    return { clear: () => clearTimeout(timer) };
  }

  clear(): void {
    this.#total.clear();
    this.caller?.removeEventListener("abort", this.#abort);
  }
}

function exchange(
  url: URL,
  options: https.RequestOptions,
  body: string | undefined,
  attempt: Attempt,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = start(url, options, attempt);
    request.once("response", resolve);
    request.on("error", reject);
    request.end(body);
  });
}

/** Creates a request. That of the background task does not keep the process running. */
function start(url: URL, options: https.RequestOptions, { deadline, isBackground, onConnect }: Attempt): http.ClientRequest {
  const connection = { agent: false, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS };
  const isSecure = url.protocol === "https:";
  const request = (isSecure ? https : http).request(url, { ...connection, ...options, signal: deadline.signal });
  request.once("socket", (socket) => {
    socket.once(isSecure ? "secureConnect" : "connect", onConnect);
    if (!isBackground) return;
    socket.unref();
    abortWhenAlone(request);
  });
  return request;
}

/** Reads the body. Fails if it is cut off, or too long. */
async function readBody(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Error("the response is longer than 1 MB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** IPv6 addresses are in brackets in a URL. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

/** TLS has server names, but no server addresses. */
function serverName(url: URL): { servername?: string } {
  return isIP(hostOf(url)) === 0 ? { servername: url.hostname } : {};
}

/** Returns an error with the words and the code of Node, without what else Node adds, such as parts of a response. */
function describeFault(error: unknown): Error {
  const { code, message, errors } = error as NodeJS.ErrnoException & Partial<AggregateError>;
  // Node tries all addresses of a host.
  const words = message || (errors ?? []).map((each: Error) => each.message).join("; ");
  const text = [words, code && !words.includes(code) ? `(${code})` : ""].filter(Boolean).join(" ");
  return Object.assign(new Error(text), code !== undefined && { code });
}
