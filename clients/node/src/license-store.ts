import type { Config } from "./config.js";
import { readKeyId } from "./jwt.js";
import { type KeySet, verifyKeySet } from "./key-set.js";
import { containsToken, verifyLicenseFile } from "./license-file.js";
import {
  type ClockRecord,
  parseClockRecord,
  parseRefusalRecord,
  parseTokenRecord,
  type RefusalRecord,
  type TokenRecord,
} from "./records.js";
import type { StorageCache } from "./storage-cache.js";
import { checkToken, type Identity, type TokenCheck, type TokenClaims } from "./token.js";

/** Names of the stored files. */
export const FILES = {
  token: "token.json",
  keySet: "keys.jwt",
  refusal: "refusal.json",
  clock: "clock.json",
  licenseKey: "license-key",
} as const;

/** The stored license, as it was last read. */
export class LicenseStore {
  /** The stored token, which may not be accepted. */
  token: TokenRecord | null = null;
  /** The claims of the stored token, if it is accepted. */
  claims: TokenClaims | null = null;
  keySet: KeySet | null = null;
  refusal: RefusalRecord | null = null;
  licenseKey: string | null = null;
  #keySetText: string | null = null;
  #tokenText: string | null = null;

  constructor(
    private readonly config: Config,
    private readonly identity: Identity,
    private readonly keepsLicenseKey: boolean,
    private readonly files: StorageCache,
    /** Returns the later of the time of the client and the wall clock, for the age of a license file. */
    private readonly latestTime: () => number,
  ) {}

  /** Reads everything but the clock. Returns whether another process changed the token or the time of its next heartbeat. */
  reload(): boolean {
    const before = this.token;
    this.#loadKeySet(this.files.read(FILES.keySet));
    this.#loadToken(this.files.read(FILES.token));
    this.readRefusal();
    this.licenseKey = this.keepsLicenseKey ? this.files.read(FILES.licenseKey)?.trim() || null : null;
    return this.token?.token !== before?.token || this.token?.next_heartbeat_at !== before?.next_heartbeat_at;
  }

  /** Reads the refusal alone. */
  readRefusal(): RefusalRecord | null {
    this.refusal = parseRefusalRecord(this.files.read(FILES.refusal));
    return this.refusal;
  }

  readClock(): ClockRecord | null {
    return parseClockRecord(this.files.read(FILES.clock));
  }

  /** True if the stored token is that of a stored license file. */
  get isFromLicenseFile(): boolean {
    return this.token?.license_file != null && containsToken(this.token.license_file, this.token.token);
  }

  /** Returns whether the stored key set contains the key that a token names. */
  knowsKeyOf(token: string): boolean {
    const kid = readKeyId(token);
    return this.keySet?.keys.some((key) => key.kid === kid) ?? false;
  }

  /** Checks a token with the stored key set. */
  check(token: string): TokenCheck {
    return checkToken(token, this.keySet?.keys ?? [], this.identity);
  }

  /** Stores a fetched key set, unless it is not valid, expired at both times, or older than the stored one. Returns whether it was stored. */
  writeKeySet(text: string, now: number, wall: number): boolean {
    this.#loadKeySet(this.files.read(FILES.keySet));
    const fetched = verifyKeySet(text, this.config);
    if (fetched === null || Math.min(now, wall) > fetched.exp || fetched.iat < (this.keySet?.iat ?? 0)) return false;
    this.files.write(FILES.keySet, text);
    this.reload();
    return true;
  }

  writeToken(record: TokenRecord): void {
    this.files.write(FILES.token, JSON.stringify(record));
    this.#loadToken(this.files.read(FILES.token));
  }

  /** Stores a refusal, and removes the token. */
  writeRefusal(refusal: RefusalRecord): void {
    this.files.write(FILES.refusal, JSON.stringify(refusal));
    this.refusal = refusal;
    this.removeToken();
  }

  writeClock(record: ClockRecord): void {
    const text = JSON.stringify(record);
    if (text !== this.files.read(FILES.clock)) this.files.write(FILES.clock, text);
  }

  writeLicenseKey(licenseKey: string): void {
    if (!this.keepsLicenseKey) return;
    this.files.write(FILES.licenseKey, licenseKey);
    this.licenseKey = licenseKey;
  }

  removeToken(): void {
    this.files.remove(FILES.token);
    this.token = this.claims = this.#tokenText = null;
  }

  removeRefusal(): void {
    this.files.remove(FILES.refusal);
    this.refusal = null;
  }

  removeLicenseKey(): void {
    this.files.remove(FILES.licenseKey);
    this.licenseKey = null;
  }

  /** Removes a license key that was stored before that was switched off. */
  removeUnwantedLicenseKey(): void {
    if (!this.keepsLicenseKey && this.files.read(FILES.licenseKey) !== null) this.removeLicenseKey();
  }

  /** Names of files that could not be written. */
  get unwritableFiles(): string[] {
    return this.files.unwritableNames;
  }

  #loadKeySet(text: string | null): void {
    if (text === this.#keySetText) return;
    this.#keySetText = text;
    this.#tokenText = null;
    this.keySet = text === null ? null : verifyKeySet(text, this.config);
  }

  /** Verifies the token if it or the key set has changed. A license file is verified each time, because it ages. */
  #loadToken(text: string | null): void {
    if (text === this.#tokenText && !this.isFromLicenseFile) return;
    this.#tokenText = text;
    this.token = parseTokenRecord(text);
    this.claims = this.token && this.#verifyRecord(this.token);
  }

  #verifyRecord({ token, license_file: file }: TokenRecord): TokenClaims | null {
    if (file === null || !containsToken(file, token)) {
      const check = this.check(token);
      return check.kind === "accepted" ? check.claims : null;
    }
    const verified = verifyLicenseFile(file, this.config, this.identity, this.latestTime());
    return verified.isValid ? verified.claims : null;
  }
}
