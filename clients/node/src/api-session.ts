import { type ApiRequest, type ApiResult, formatTime, type ProblemResult, parseResponse, type UnreachableResult } from "./api.js";
import { SignetError } from "./errors.js";
import { explainFailure, type Redact, redactor } from "./messages.js";
import type { HttpResponse, Transport } from "./ports.js";

/** How an operation sends its requests. */
export interface CallOptions {
  isBackground: boolean;
  signal?: AbortSignal;
}

/** Sends requests to the API, reads the responses, and remembers for `diagnose` when there was one, and which request failed. */
export class ApiSession {
  /** The time of the last response, in seconds since 1970. */
  lastContact: number | null = null;
  /** The last request that did not succeed, and why. */
  lastFailure: string | null = null;

  /** `observeTime` returns the time. `storedSecrets` returns texts that are not shown although a response contains them. */
  constructor(
    private readonly transport: Transport,
    private readonly observeTime: () => number,
    private readonly storedSecrets: () => (string | null)[],
  ) {}

  /** Sends a request whose success has a token. Throws if it was cancelled. */
  async send(request: ApiRequest, call: CallOptions): Promise<ApiResult> {
    const response = await this.exchange(request, call);
    return "kind" in response ? response : this.#parse(request, response);
  }

  /** Sends a request, and returns the response, or why there is none. Throws if it was cancelled. */
  async exchange(request: ApiRequest, call: CallOptions, timeoutSeconds?: number): Promise<HttpResponse | UnreachableResult> {
    const { name: _, ...rest } = request;
    try {
      const response = await this.transport.send({ ...rest, ...call, ...(timeoutSeconds && { timeoutSeconds }) });
      this.lastContact = this.observeTime();
      return response;
    } catch (error) {
      if (call.signal?.aborted) throw new SignetError("closed", "the license was closed");
      const cause = error instanceof Error ? error : new Error(String(error));
      return { kind: "unreachable", reason: "network", retryAfter: null, cause };
    }
  }

  /** Returns what a response says that is no success of a request without a token. */
  readFailure(request: ApiRequest, response: HttpResponse): ProblemResult | UnreachableResult {
    const result = this.#parse(request, response);
    return result.kind === "token" ? invalidResponse() : result;
  }

  /** Records a failure for `diagnose`, and returns it. */
  recordFailure<T extends ProblemResult | UnreachableResult>(request: ApiRequest, outcome: T): T {
    const cause = explainFailure(outcome, this.redactorFor(request));
    this.lastFailure = `${formatTime(this.observeTime())}, ${request.name}: ${cause}`;
    return outcome;
  }

  /** Returns a function that replaces the secrets that the response to a request can contain. */
  redactorFor({ body }: ApiRequest): Redact {
    const sent = [body?.license_key, body?.token].filter((value) => typeof value === "string");
    return redactor([...sent, ...this.storedSecrets()]);
  }

  #parse(request: ApiRequest, response: HttpResponse): ApiResult {
    const result = parseResponse(response, this.observeTime(), this.redactorFor(request));
    const isUnknownKey = request.name === "activate" && result.kind === "problem" && result.code === "not_found";
    return isUnknownKey ? { ...result, explanation: "there is no such license key" } : result;
  }
}

/** A response with a status of success that is none for the request. `isUnsigned`: the key set that was fetched is not signed by a root key. */
export function invalidResponse(isUnsigned = false): UnreachableResult {
  return { kind: "unreachable", reason: "invalid_response", retryAfter: null, isUnsigned };
}
