import type { RefusalRecord } from "./records.js";

const MAX_FIRST_DELAY_SECONDS = 5;
const FIRST_RETRY_SECONDS = 10;
const MIN_RETRY_LIMIT_SECONDS = 60;
const MAX_RETRY_LIMIT_SECONDS = 3600;
const MAX_REFUSAL_JITTER_SECONDS = 60;
const HOUR_SECONDS = 3600;
const DAY_SECONDS = 86_400;

/** When the next requests are due, in the time of the client. Every delay has a random part. */
export class Schedule {
  /** When the next try after a failure is due, or null after a success or a refusal. */
  retryAt: number | null = null;
  /** When the key set is fetched next, or null if this process has not fetched it. */
  keyFetchAt: number | null = null;
  #failures = 0;
  #firstRequestAt = 0;
  #refusal: { id: string; jitter: number } | null = null;
  #refusalAtStart: string | null = null;

  constructor(private readonly random: () => number) {}

  /** Delays the first request of a process that starts when a request is due already. */
  delayFirstRequest(now: number): void {
    this.#firstRequestAt = now + this.random() * MAX_FIRST_DELAY_SECONDS;
  }

  /** Makes the activation after the refusal with this id due at once, until it was tried. */
  askAbout(refusalId: string): void {
    this.#refusalAtStart = refusalId;
  }

  /** Returns when a request is sent that is due at `time`. */
  earliest(time: number): number {
    return Math.max(time, this.#firstRequestAt);
  }

  /** Returns the time of the heartbeat after a token, rounded down. */
  nextHeartbeat(now: number, proposed: number | null, interval: number): number {
    const wait = (proposed ?? 0) - now;
    const delay = wait >= 1 && wait <= 2 * interval ? wait : interval;
    return Math.floor(now + delay + (this.random() * delay) / 10);
  }

  /** Returns when an activation is tried again after a refusal. */
  refusalRetry({ id, at, retry_at: retryAt }: RefusalRecord): number {
    if (id === this.#refusalAtStart) return 0;
    if (this.#refusal?.id !== id) this.#refusal = { id, jitter: this.random() * MAX_REFUSAL_JITTER_SECONDS };
    const time = retryAt !== null && retryAt > at ? retryAt : at + HOUR_SECONDS;
    return Math.max(time + this.#refusal.jitter, this.retryAt ?? 0);
  }

  /** Records a failed request. `interval` is the heartbeat interval of the token, and `retryAfter` that of the response. */
  failed(now: number, interval: number | null, retryAfter: number | null): void {
    const bounded = Math.max(MIN_RETRY_LIMIT_SECONDS, Math.min(interval ?? MAX_RETRY_LIMIT_SECONDS, MAX_RETRY_LIMIT_SECONDS));
    const delay = this.random() * Math.min(FIRST_RETRY_SECONDS * 2 ** this.#failures, bounded);
    this.retryAt = now + Math.max(delay, retryAfter ?? 0, 1);
    this.#failures += 1;
    this.#refusalAtStart = null;
  }

  /** Records a success or a refusal. */
  answered(): void {
    this.#failures = 0;
    this.retryAt = null;
    this.#refusalAtStart = null;
  }

  /** Records a fetch of the key set. */
  keysFetched(now: number, isStored: boolean): void {
    this.keyFetchAt = now + (isStored ? DAY_SECONDS + this.random() * HOUR_SECONDS : HOUR_SECONDS);
  }

  /** Moves the due times with a time that was set back. */
  timeChanged(seconds: number): void {
    if (seconds >= 0) return;
    if (this.retryAt !== null) this.retryAt += seconds;
    if (this.keyFetchAt !== null) this.keyFetchAt += seconds;
    this.#firstRequestAt += seconds;
  }
}
