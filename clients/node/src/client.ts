import {
  type ApiRequest,
  activateRequest,
  deactivateRequest,
  heartbeatRequest,
  keySetRequest,
  type ProblemResult,
  parseObject,
  type TokenResult,
  type UnreachableResult,
} from "./api.js";
import { ApiSession, type CallOptions, invalidResponse } from "./api-session.js";
import { Clock } from "./clock.js";
import type { Config } from "./config.js";
import { deriveState } from "./derive-state.js";
import { formatDiagnosis } from "./diagnosis.js";
import { SignetError } from "./errors.js";
import { isJwt } from "./jwt.js";
import { isSignedByRootKey } from "./key-set.js";
import { explainEnd, verifyLicenseFile } from "./license-file.js";
import { FILES, LicenseStore } from "./license-store.js";
import { cutTexts, type MachineFacts } from "./machine-facts.js";
import { quoteProduct, refusedError, requestError } from "./messages.js";
import { formatOfflineRequest } from "./offline-request.js";
import type { HttpResponse, Ports } from "./ports.js";
import {
  isRetried,
  keepsLicenseKey,
  type RacedRefusal,
  refusesActivation,
  refusesKey,
  refusesLicense,
  refusesToken,
  WRONG_PRODUCT,
} from "./refusals.js";
import { Schedule } from "./schedule.js";
import type { State } from "./state.js";
import { StateReporter } from "./state-reporter.js";
import { StorageCache } from "./storage-cache.js";
import type { Identity, TokenCheck, TokenClaims } from "./token.js";

const RELEASE_TIMEOUT_SECONDS = 2;
/** A token that was signed this long before the last signed time was replayed. */
const MAX_SERVER_SKEW_SECONDS = 300;
/** Codes with which the API keeps a seat taken. */
const SEAT_STAYS_TAKEN = ["offline_activation", "borrow_return_limit"];
const NOT_BORROWED = "the seat was not borrowed";
const NOT_REQUESTED = "the request was not created";
const LASTING_ID = "because its machine id is random: give a machine id that stays the same";

/** Options of the core, with all defaults applied. */
export interface ClientOptions extends MachineFacts {
  /** True if the machine id lasts as long as the process. */
  isEphemeral: boolean;
  keepLicenseKey: boolean;
  /** Where the files are, for `diagnose`. */
  storageName: string;
}

/** The outcome of a request that did not bring a token. */
type FailedOutcome = ProblemResult | UnreachableResult | RacedRefusal;

/** A request that did not bring a token. */
interface Failure {
  outcome: FailedOutcome;
  /** False if the API refused the license. */
  isUnreachable: boolean;
  retryAfter: number | null;
}

/** A token that was verified. */
interface VerifiedToken extends Omit<TokenResult, "kind" | "isNewSeat"> {
  kind: "verified";
  claims: TokenClaims;
}

type WrongProduct = Extract<TokenCheck, { kind: "wrongProduct" }>;

type Outcome = VerifiedToken | FailedOutcome;

/**
 * The behavior of a client, without timers, files and sockets. Operations must not run at the same time.
 *
 * https://github.com/signet-licensing/signet/blob/main/docs/reference/client-behavior.md
 */
export class Client {
  readonly #store: LicenseStore;
  readonly #clock: Clock;
  readonly #schedule: Schedule;
  readonly #api: ApiSession;
  readonly #identity: Identity;
  readonly #reporter: StateReporter;
  readonly #options: ClientOptions;
  #reason = "not_contacted";
  /** True if the app gave the seat back, and neither took another one nor stored a license key to take it later. */
  #isReleased = false;

  constructor(
    private readonly config: Config,
    options: ClientOptions,
    private readonly ports: Ports,
  ) {
    this.#options = { ...options, ...cutTexts(options) };
    const { machineId, instanceId, isEphemeral } = options;
    const ofProcess = instanceId !== null || isEphemeral ? [FILES.token, FILES.refusal] : [];
    this.#identity = { issuer: config.issuer, product: config.product, machineId, instanceId };
    const files = new StorageCache(ports.storage, ofProcess);
    this.#store = new LicenseStore(config, this.#identity, options.keepLicenseKey, files, () => this.#latestTime());
    this.#clock = new Clock(ports.time, this.#store.readClock());
    this.#schedule = new Schedule(() => ports.random());
    const secrets = () => [this.#store.licenseKey, this.#store.token?.token ?? null];
    this.#api = new ApiSession(ports.transport, () => this.#observe(), secrets);
    this.#store.removeUnwantedLicenseKey();
    this.#reload();
    if (this.#store.refusal !== null) this.#schedule.askAbout(this.#store.refusal.id);
    if (this.secondsToNextRequest() === 0) this.#schedule.delayFirstRequest(this.#clock.now);
    this.#reporter = new StateReporter(this.state());
  }

  /** Returns the state at the present time, without reading the storage. */
  state(): State {
    this.#observe();
    return deriveState(this.#store, this.#clock, this.#reason);
  }

  has(feature: string): boolean {
    return this.state().mayRun && (this.#store.claims?.features.includes(feature) ?? false);
  }

  limit(feature: string): number {
    if (!this.state().mayRun) return 0;
    const limits = this.#store.claims?.featureLimits ?? {};
    const limit = Object.hasOwn(limits, feature) ? limits[feature] : 0;
    return limit === null ? Number.POSITIVE_INFINITY : typeof limit === "number" ? limit : 0;
  }

  /** Calls a function with each new state. Returns a function that ends this. */
  onChange(listener: (state: State) => unknown): () => void {
    return this.#reporter.add(listener);
  }

  /** Ends the calls of `onChange`, because the app shuts down. */
  stopReporting(): void {
    this.#reporter.stop();
  }

  offlineRequest(): string {
    if (this.#options.isEphemeral) {
      throw new SignetError("ephemeral_machine_id", `${NOT_REQUESTED}: a license file would end with the process, ${LASTING_ID}`);
    }
    return formatOfflineRequest(this.config.product, this.#options.machineId, this.#options.machineName);
  }

  diagnose(): string {
    const state = this.state();
    return formatDiagnosis({
      config: this.config,
      options: this.#options,
      store: this.#store,
      clock: this.#clock,
      state,
      lastContact: this.#api.lastContact,
      lastFailure: this.#api.lastFailure,
      secondsToNextRequest: this.secondsToNextRequest(),
    });
  }

  /** Returns the seconds until the background task has to send a request: 0 if it is due, null if none will be. */
  secondsToNextRequest(): number | null {
    this.#observe();
    const times = [this.#keyFetchTime(), this.#requestTime()].filter((time): time is number => time !== null);
    return times.length === 0 ? null : Math.max(0, this.#schedule.earliest(Math.min(...times)) - this.#clock.now);
  }

  /** Returns the seconds until the background task has to run, to send a request or to report that the token has ended: null if it need not. */
  secondsToNextRun(): number | null {
    const request = this.secondsToNextRequest();
    const { claims } = this.#store;
    const ends = claims === null ? [] : [claims.exp, claims.offlineUntil];
    const reports = ends.map((end) => Math.floor(end) + 1 - this.#clock.now).filter((seconds) => seconds > 0);
    const all = request === null ? reports : [request, ...reports];
    return all.length === 0 ? null : Math.min(...all);
  }

  /** Reads the storage, and sends the requests that are due. */
  async run(call: CallOptions): Promise<void> {
    this.#reload();
    try {
      if (this.#isDue(this.#keyFetchTime())) {
        await this.#fetchKeySet(call);
        this.#reload();
      }
      if (this.#isDue(this.#requestTime())) await this.#renewInBackground(call);
    } finally {
      this.#notify();
    }
  }

  async activate(licenseKey: string, call: CallOptions): Promise<State> {
    this.#reload();
    const { licenseKey: stored, claims } = this.#store;
    const key = licenseKey.trim();
    const outcome = await this.#requestToken(activateRequest(key, this.#options), call);
    if (outcome.kind === "verified") {
      this.#storeToken(outcome);
      this.#store.writeLicenseKey(key);
      return this.#notify();
    }
    const keepsPresent = stored !== key && (stored !== null || claims !== null || isOtherKey(outcome));
    if (!keepsPresent) this.#applyFailureOfKey(key, outcome);
    this.#notify();
    throw requestError("the license key was not activated", outcome);
  }

  /** Stores the license key of an activation that failed, if the background task can complete it, and what the API said. */
  #applyFailureOfKey(key: string, outcome: FailedOutcome): void {
    if (isKeptFor(outcome)) {
      if (this.#store.licenseKey === null) this.#store.removeRefusal();
      this.#store.writeLicenseKey(key);
      this.#isReleased = false;
    }
    const failure = this.#applyActivationFailure(outcome);
    if (failure.isUnreachable && this.#hasToActivate()) this.#retryLater(failure);
  }

  async refresh(call: CallOptions): Promise<State> {
    this.#reload();
    await this.#renewInBackground(call);
    return this.#notify();
  }

  async deactivate(call: CallOptions): Promise<State> {
    this.#reload();
    const failure = (await this.#takeSeatToFree(call)) ?? (await this.#freeSeat(call));
    if (failure !== null) {
      this.#notify();
      throw requestError("the seat was not freed", failure);
    }
    this.#store.removeToken();
    this.#store.removeRefusal();
    this.#store.removeLicenseKey();
    this.#schedule.answered();
    return this.#notify();
  }

  async release(call: CallOptions): Promise<State> {
    this.#reload();
    if (this.#store.claims !== null && this.#store.isFromLicenseFile) return this.#notify();
    const failure = await this.#freeSeat(call, RELEASE_TIMEOUT_SECONDS);
    if (failure?.kind !== "problem" || !SEAT_STAYS_TAKEN.includes(failure.code)) {
      this.#store.removeToken();
      this.#isReleased = true;
    }
    return this.#notify();
  }

  async borrow(until: Date, call: CallOptions): Promise<State> {
    if (this.#options.isEphemeral) {
      throw new SignetError("ephemeral_machine_id", `${NOT_BORROWED}: the borrow would end with the process, ${LASTING_ID}`);
    }
    this.#reload();
    const { refusal, claims } = this.#store;
    if (!isLater(until, this.#clock.now)) {
      throw new SignetError("invalid_value", `${NOT_BORROWED}: the time must be a date that is later than now`);
    }
    if (refusal !== null) throw refusedError(NOT_BORROWED, refusal.code);
    if (claims === null) throw new SignetError("not_activated", `${NOT_BORROWED}: the machine is not activated`);
    const failure = await this.#sendHeartbeat(call, until);
    const state = this.#notify();
    if (failure !== null) throw requestError(NOT_BORROWED, failure.outcome);
    return state;
  }

  importLicenseFile(content: string): State {
    this.#reload();
    // Editors on Windows add a byte order mark.
    const text = content.replace(/^\uFEFF/, "");
    const now = this.#latestTime();
    const { token: present, claims: presentClaims, refusal } = this.#store;
    const file = verifyLicenseFile(text, this.config, this.#identity, now);
    if (!file.isValid) throw notImported(file.reason);
    const { token, claims } = file;
    const end = explainEnd(claims, now);
    if (end !== null) throw notImported(end);
    if (refusal !== null && claims.iat <= refusal.at) {
      throw notImported(`it is older than the refusal ${refusal.code}`, refusal.code);
    }
    if (presentClaims !== null && claims.iat <= presentClaims.iat) {
      if (present?.token === token) return this.state();
      throw notImported("it is older than the present token");
    }
    this.#setClock(claims, Number.POSITIVE_INFINITY);
    this.#writeToken({ token, claims, nextHeartbeatAt: null, inGrace: false, graceEndsAt: null }, text);
    this.#store.removeRefusal();
    this.#schedule.answered();
    this.#isReleased = false;
    return this.#notify();
  }

  async #renewInBackground(call: CallOptions): Promise<void> {
    const { claims, refusal, licenseKey } = this.#store;
    let failure: Failure | null = null;
    // A heartbeat can bring the same token, which does not say that the clock is right. For an activation, the API signs a new one.
    const hasToProveTime = this.#clock.isTampered && licenseKey !== null;
    if (claims !== null && refusal === null && !hasToProveTime) failure = await this.#sendHeartbeat(call, null);
    else if (licenseKey !== null) failure = await this.#activateAgain(licenseKey, call);
    if (failure?.isUnreachable) this.#retryLater(failure);
  }

  /** Sends a heartbeat. Activates once if the API does not accept the token, and then repeats a heartbeat that borrows. */
  async #sendHeartbeat(call: CallOptions, borrowUntil: Date | null, isRepeated = false): Promise<Failure | null> {
    const token = this.#store.token?.token ?? "";
    const outcome = await this.#requestToken(heartbeatRequest(token, this.#options, borrowUntil), call);
    if (outcome.kind === "verified") {
      this.#storeToken(outcome);
      return null;
    }
    if (outcome.kind === "raced") return raced(outcome);
    if (outcome.kind === "unreachable") return this.#unreachable(outcome);
    if (refusesLicense(outcome.code)) return this.#refuse(outcome);
    if (!refusesToken(outcome.code) || isRepeated) return this.#unreachable(outcome);
    this.#reload();
    const { licenseKey } = this.#store;
    if (licenseKey === null) return this.#refuse(outcome);
    const failure = await this.#activateAgain(licenseKey, call);
    return failure !== null || borrowUntil === null ? failure : this.#sendHeartbeat(call, borrowUntil, true);
  }

  async #activateAgain(licenseKey: string, call: CallOptions): Promise<Failure | null> {
    const outcome = await this.#requestToken(activateRequest(licenseKey, this.#options), call);
    if (outcome.kind !== "verified") return this.#applyActivationFailure(outcome);
    this.#storeToken(outcome);
    return null;
  }

  #applyActivationFailure(outcome: FailedOutcome): Failure {
    if (outcome.kind === "raced") return raced(outcome);
    return isRefusal(outcome) ? this.#refuse(outcome) : this.#unreachable(outcome);
  }

  /** Requests a token, and verifies it. Fetches the key set if it does not contain the key of the token. */
  async #requestToken(request: ApiRequest, call: CallOptions): Promise<Outcome> {
    const refusalId = this.#store.readRefusal()?.id ?? null;
    const result = await this.#api.send(request, call);
    if (result.kind !== "token") return this.#api.recordFailure(request, result);
    const keyFailure = this.#store.knowsKeyOf(result.token) ? null : await this.#fetchKeySet(call);
    const check = this.#store.check(result.token);
    if (check.kind === "wrongProduct" && request.name === "activate") {
      return this.#rejectProduct(request, result, check, call);
    }
    if (check.kind !== "accepted" || check.claims.iat < this.#clock.reference - MAX_SERVER_SKEW_SECONDS) {
      return this.#api.recordFailure(request, invalidResponse(keyFailure?.kind === "unreachable" && keyFailure.isUnsigned));
    }
    return this.#findRacedRefusal(refusalId) ?? { ...result, kind: "verified", claims: check.claims };
  }

  /** Returns the refusal that another process has stored since it was read, or null. */
  #findRacedRefusal(refusalId: string | null): RacedRefusal | null {
    const refusal = this.#store.readRefusal();
    if (refusal === null || refusal.id === refusalId) return null;
    this.#reload();
    return { kind: "raced", code: refusal.code };
  }

  /**
   * Frees the seat that a license key of another product took. If that fails, its lease ends by itself. A seat that the machine had already is that of
   * another app.
   */
  async #rejectProduct(request: ApiRequest, result: TokenResult, check: WrongProduct, call: CallOptions): Promise<ProblemResult> {
    const product = quoteProduct(this.#api.redactorFor(request)(check.product));
    const refusal = this.#api.recordFailure(
      request,
      wrongProduct(`it is for the product ${product}, not ${quoteProduct(this.config.product)}`),
    );
    if (result.isNewSeat) await this.#api.exchange(deactivateRequest(check.claims.activationId, result.token), call);
    return refusal;
  }

  /** Fetches the key set, and stores it. Returns null, or why it was not stored. */
  async #fetchKeySet(call: CallOptions): Promise<ProblemResult | UnreachableResult | null> {
    const response = await this.#api.exchange(keySetRequest, call);
    const failure = "kind" in response ? response : this.#storeKeySet(response);
    this.#schedule.keysFetched(this.#clock.now, failure === null);
    return failure && this.#api.recordFailure(keySetRequest, failure);
  }

  #storeKeySet(response: HttpResponse): ProblemResult | UnreachableResult | null {
    if (response.status !== 200) return this.#api.readFailure(keySetRequest, response);
    const text = response.body.trim();
    if (this.#store.writeKeySet(text, this.#clock.now, this.ports.time.wall())) return null;
    return invalidResponse(isJwt(text) && !isSignedByRootKey(text, this.config));
  }

  /** Deactivates the stored token. Returns null if the seat is free, and otherwise why it is not. */
  async #freeSeat(call: CallOptions, timeoutSeconds?: number): Promise<ProblemResult | UnreachableResult | null> {
    const { token, claims } = this.#store;
    if (token === null || claims === null) return null;
    const request = deactivateRequest(claims.activationId, token.token);
    const response = await this.#api.exchange(request, call, timeoutSeconds);
    if ("kind" in response) return this.#api.recordFailure(request, response);
    if (response.status === 200 && parseObject(response.body) !== null) return null;
    const failure = this.#api.readFailure(request, response);
    return failure.kind === "problem" && failure.code === "not_found" ? null : this.#api.recordFailure(request, failure);
  }

  /**
   * Activates with the stored license key if there is no token with which the seat can be freed. Returns null if there is one then, or if the API
   * refused: the machine has no seat that it could free.
   */
  async #takeSeatToFree(call: CallOptions): Promise<FailedOutcome | null> {
    const { claims, licenseKey } = this.#store;
    if (claims !== null || licenseKey === null) return null;
    const outcome = await this.#requestToken(activateRequest(licenseKey, this.#options), call);
    if (outcome.kind !== "verified") return isRefusal(outcome) ? null : outcome;
    this.#storeToken(outcome);
    return null;
  }

  #storeToken(outcome: VerifiedToken): void {
    const { claims } = outcome;
    this.#setClock(claims, claims.exp);
    this.#writeToken(outcome, null);
    this.#store.removeRefusal();
    this.#reason = "not_contacted";
    this.#isReleased = false;
    // A token that is not later than the reference does not say that the clock is right.
    if (this.#clock.isTampered) this.#retryLater({ retryAfter: null });
    else this.#schedule.answered();
  }

  #setClock({ iat }: TokenClaims, notAfter: number): void {
    this.#schedule.timeChanged(this.#clock.synchronize(iat, notAfter));
  }

  #writeToken(result: Omit<VerifiedToken, "kind">, licenseFile: string | null): void {
    const { token, claims, nextHeartbeatAt, inGrace, graceEndsAt } = result;
    const { now } = this.#clock;
    const record = {
      token,
      next_heartbeat_at: this.#schedule.nextHeartbeat(now, nextHeartbeatAt, claims.heartbeatInterval),
      in_grace: inGrace,
      grace_ends_at: graceEndsAt && Math.floor(graceEndsAt),
      license_file: licenseFile,
    };
    this.#store.writeToken(record);
    this.#writeClock();
  }

  #refuse(outcome: ProblemResult): Failure {
    const { code, retryAt } = outcome;
    this.#store.writeRefusal({
      id: this.ports.randomId(),
      code,
      at: Math.floor(this.#clock.now),
      retry_at: code === "seat_limit_reached" && retryAt !== null ? Math.floor(retryAt) : null,
    });
    this.#schedule.answered();
    return { outcome, isUnreachable: false, retryAfter: null };
  }

  #unreachable(outcome: ProblemResult | UnreachableResult): Failure {
    this.#reason = outcome.kind === "problem" ? `http_${outcome.status}` : outcome.reason;
    return { outcome, isUnreachable: true, retryAfter: outcome.retryAfter };
  }

  #retryLater({ retryAfter }: Pick<Failure, "retryAfter">): void {
    this.#schedule.failed(this.#clock.now, this.#store.claims?.heartbeatInterval ?? null, retryAfter);
  }

  /** Returns when the key set is fetched, or null if it is not. */
  #keyFetchTime(): number | null {
    const { token, refusal, keySet, isFromLicenseFile } = this.#store;
    if (token === null || refusal !== null) return null;
    if (this.#schedule.keyFetchAt !== null) return this.#schedule.keyFetchAt;
    if (!isFromLicenseFile && !this.#store.knowsKeyOf(token.token)) return this.#clock.now;
    return keySet && keySet.iat + 86_400;
  }

  /** Returns when a heartbeat or an activation is sent, or null if none is. */
  #requestTime(): number | null {
    const { token, claims, refusal } = this.#store;
    const { now, isTampered } = this.#clock;
    const { retryAt } = this.#schedule;
    if (refusal !== null) return this.#hasToActivate() ? this.#schedule.refusalRetry(refusal) : null;
    if (token === null || claims === null) return this.#hasToActivate() ? (retryAt ?? now) : null;
    if (isTampered) return retryAt ?? now;
    if (token.next_heartbeat_at > now) return token.next_heartbeat_at;
    return Math.max(token.next_heartbeat_at, retryAt ?? 0);
  }

  /** Returns whether the background task activates as soon as it may. */
  #hasToActivate(): boolean {
    const { claims, refusal, licenseKey } = this.#store;
    if (licenseKey === null || this.#isReleased) return false;
    return refusal === null ? claims === null : isRetried(refusal.code);
  }

  #isDue(time: number | null): boolean {
    return time !== null && this.#schedule.earliest(time) <= this.#clock.now;
  }

  /** Reads what is stored, and what other processes say of the clock. */
  #reload(): void {
    this.#clock.observe(this.#store.claims?.nbf ?? 0);
    const clock = this.#store.readClock();
    if (clock !== null) this.#schedule.timeChanged(this.#clock.merge(clock));
    const isOtherToken = this.#store.reload();
    if (isOtherToken && !this.#clock.isTampered) this.#schedule.answered();
    if (this.#store.claims !== null) this.#isReleased = false;
    this.#observe();
  }

  /** Returns the later of the time of the client and the wall clock. */
  #latestTime(): number {
    return Math.max(this.#clock.now, this.ports.time.wall());
  }

  /** Advances the clock, and returns the time. */
  #observe(): number {
    this.#clock.observe(this.#store.claims?.nbf ?? 0);
    if (this.#clock.isUnsaved) this.#writeClock();
    return this.#clock.now;
  }

  /** A time that is far ahead must not lock out later tokens, so it is stored up to the end of the token. */
  #writeClock(): void {
    const end = this.#store.claims?.offlineUntil ?? Number.POSITIVE_INFINITY;
    this.#store.writeClock(this.#clock.save(end + 1));
  }

  /** Reports the state to the app if it has changed, and returns it. */
  #notify(): State {
    const state = this.state();
    this.#reporter.report(state);
    return state;
  }
}

/** The failure of a request whose token is not stored. */
function raced(outcome: RacedRefusal): Failure {
  return { outcome, isUnreachable: false, retryAfter: null };
}

/** Returns whether the license key is stored, so that the background task can activate with it. */
function isKeptFor(outcome: FailedOutcome): boolean {
  if (outcome.kind === "raced") return false;
  return outcome.kind === "unreachable" || keepsLicenseKey(outcome.code) || outcome.status === 429;
}

/** Returns whether an activation was refused. */
function isRefusal(outcome: FailedOutcome): outcome is ProblemResult {
  return outcome.kind === "problem" && refusesActivation(outcome.code);
}

/** Returns whether the license key of an activation is not one of this product. */
function isOtherKey(outcome: Outcome): boolean {
  return outcome.kind === "problem" && refusesKey(outcome.code);
}

/** Returns whether a value is a date of which the full second is later than a time. An app in JavaScript can pass any value. */
function isLater(date: Date, now: number): boolean {
  return typeof date?.getTime === "function" && Math.floor(date.getTime() / 1000) > now;
}

function wrongProduct(explanation: string): ProblemResult {
  return { kind: "problem", status: 200, code: WRONG_PRODUCT, explanation, retryAt: null, retryAfter: null };
}

function notImported(reason: string, code = "license_file_invalid"): SignetError {
  return new SignetError(code, `the license file was not imported: ${reason}`);
}
