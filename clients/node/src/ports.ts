import type { Storage } from "./storage.js";

/** Clocks of the machine. */
export interface TimeSource {
  /** Returns the wall clock, in seconds since 1970. */
  wall(): number;
  /** Returns the monotonic clock, in seconds since any point in time. */
  monotonic(): number;
}

/** A request to the API. */
export interface HttpRequest {
  method: "GET" | "POST";
  /** The path below the URL of the API, such as `/.well-known/jwks.jwt`. */
  path: string;
  /** The JSON body. */
  body?: Record<string, unknown>;
  /** The time-out of the whole request in seconds, if it differs from that of the transport. */
  timeoutSeconds?: number;
  /** True if the request must not keep the process from exiting. */
  isBackground: boolean;
  /** Cancels the request. */
  signal?: AbortSignal;
}

/** A complete response. Header names are in lower case. */
export interface HttpResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** Sends requests. A request that gets no complete response rejects. */
export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
}

/** Everything that the core needs from the outside. */
export interface Ports {
  time: TimeSource;
  storage: Storage;
  transport: Transport;
  /** Returns a random number from 0 up to 1. */
  random(): number;
  /** Returns a random id. */
  randomId(): string;
}
