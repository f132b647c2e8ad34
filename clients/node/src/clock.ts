import type { TimeSource } from "./ports.js";
import type { ClockRecord } from "./records.js";

/** How far the wall clock may differ before it counts as set back. */
const TOLERANCE_SECONDS = 60;
/** The sum of set-backs that an app tolerates. */
const MAX_SET_BACK_SECONDS = 86_400;

/**
 * The time of the client: it does not go back when the wall clock is set back.
 *
 * Times are in seconds since 1970. `now` is the time of the last observation.
 */
export class Clock {
  now: number;
  /** How far the wall clock is behind `now`; negative if it is known to be ahead. */
  behind: number;
  /** The sum of all set-backs since `reference`. */
  setBack: number;
  /** The last signed time. */
  reference: number;
  #monotonic: number;
  #saved: { now: number; setBack: number };

  constructor(
    private readonly time: TimeSource,
    record: ClockRecord | null,
  ) {
    this.now = record?.last_seen ?? time.wall();
    this.behind = record?.behind ?? 0;
    this.setBack = record?.set_back ?? 0;
    this.reference = record?.reference ?? 0;
    this.#monotonic = time.monotonic();
    this.#saved = { now: this.now, setBack: this.setBack };
  }

  /** True if the wall clock was set back by more than a day since the last signed time. */
  get isTampered(): boolean {
    return this.setBack > MAX_SET_BACK_SECONDS;
  }

  /** True if the record in the storage is out of date. */
  get isUnsaved(): boolean {
    return Math.abs(this.now - this.#saved.now) >= 60 || this.setBack !== this.#saved.setBack;
  }

  /** Advances to the present time, which is not before `notBefore`. */
  observe(notBefore: number): void {
    const monotonic = this.time.monotonic();
    const wall = this.time.wall();
    const expected = Math.max(this.now + (monotonic - this.#monotonic), notBefore);
    const difference = expected - wall;
    this.#monotonic = monotonic;
    if (difference >= TOLERANCE_SECONDS) {
      this.#observeBehind(expected, difference);
    } else if (difference <= -TOLERANCE_SECONDS && this.behind < 0) {
      this.#observeAhead(expected, wall);
    } else {
      this.now = Math.max(expected, wall);
      this.behind = 0;
    }
  }

  /** The wall clock is behind by `difference`: counts by how much it is more than before. */
  #observeBehind(expected: number, difference: number): void {
    const known = Math.max(this.behind, 0);
    const isSetBack = difference > known + TOLERANCE_SECONDS;
    this.now = expected;
    if (isSetBack) this.setBack += difference - known;
    this.behind = isSetBack ? difference : Math.min(known, difference);
  }

  /** The wall clock is known to be ahead: corrects it, and counts by how much it was set back. */
  #observeAhead(expected: number, wall: number): void {
    const corrected = wall + this.behind;
    if (expected - corrected > TOLERANCE_SECONDS) this.setBack += expected - corrected;
    this.now = Math.max(expected, corrected);
    this.behind = Math.max(this.behind, expected - wall);
  }

  /**
   * Sets the time by a token that was signed at `iat`, and that the wall clock must not be after. Returns the seconds by which
   * the time changed. A token that is not later than the reference changes nothing.
   */
  synchronize(iat: number, notAfter: number): number {
    if (iat <= this.reference) return 0;
    const wall = this.time.wall();
    const before = this.now;
    const isPlausible = wall >= iat - TOLERANCE_SECONDS && wall <= notAfter;
    this.now = isPlausible ? wall : iat;
    this.behind = isPlausible ? 0 : iat - wall;
    this.setBack = 0;
    this.reference = iat;
    return this.now - before;
  }

  /**
   * Adopts what another process stored since: a later reference, a later time, or more set-backs. Returns the seconds by which
   * the time changed.
   */
  merge(record: ClockRecord): number {
    if (record.reference < this.reference) return 0;
    const before = this.now;
    if (record.reference > this.reference) {
      this.now = record.last_seen;
      this.setBack = record.set_back;
      this.behind = record.behind;
      this.reference = record.reference;
    }
    this.now = Math.max(this.now, record.last_seen);
    if (record.set_back > this.setBack) {
      this.setBack = record.set_back;
      this.behind = record.behind;
    }
    return this.now - before;
  }

  /** Returns what is to be stored, with a time that is at most `latest`, and counts it as stored. */
  save(latest: number): ClockRecord {
    this.#saved = { now: this.now, setBack: this.setBack };
    return {
      last_seen: Math.floor(Math.min(this.now, latest)),
      behind: Math.round(this.behind),
      set_back: Math.round(this.setBack),
      reference: this.reference,
    };
  }
}
