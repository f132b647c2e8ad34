// Verifies Signet license tokens offline, with jose.
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compactDecrypt, compactVerify, decodeJwt, decodeProtectedHeader, importJWK } from "jose";

/** Tolerated difference between the clocks of this machine and of the issuer. */
const LEEWAY_SECONDS = 60;
/** For how long the key set of a license file verifies the file's token, from the `iat` of the set: 400 days. */
const LICENSE_FILE_SECONDS = 400 * 86_400;

/** A license token or a key set is not valid. */
export class VerificationError extends Error {}

/** No stored key has the token's `kid`. Fetch the key set and try again. */
export class UnknownKeyError extends VerificationError {}

/**
 * Verifies license tokens, and stores the key set, the token, the license file and the last refusal in a directory.
 *
 * Several processes may share the directory: each file is replaced atomically. A missing or damaged file counts as
 * absent.
 */
export class Verifier {
  #rootKeys;
  #directory;

  /** `config` has the `issuer`, the `product` code and the public `root_keys`, which are built into the app. */
  constructor(config, directory) {
    this.issuer = config.issuer;
    this.product = config.product;
    this.#rootKeys = config.root_keys;
    this.#directory = directory;
  }

  /**
   * Returns the claims of a token that is valid on this machine at `now`, in Unix seconds.
   *
   * The token is accepted until its `offline_until`. The latest time seen is stored to detect a clock that was set back.
   */
  async verify(token, machineId, now) {
    const claims = await this.#verifySignature(token, await this.#keysFor(token, now), "license+jwt");
    this.#checkClaims(claims, machineId, now, this.#lastSeen());
    return claims;
  }

  /** Checks that a token is for this machine and valid at `now`. `lastSeen` is the latest time seen. */
  #checkClaims(claims, machineId, now, lastSeen) {
    if (typeof machineId !== "string" || machineId === "") throw new VerificationError("the machine ID is missing");
    if (claims.aud !== this.product) throw new VerificationError("the token is for another product");
    if (claims.activation?.machine_id !== machineId) throw new VerificationError("the token is not for this machine");
    const notBefore = integer(claims, "nbf");
    integer(claims, "exp");
    const end = integer(claims.enforcement, "offline_until");

    // A clock that is far ahead must not lock out later tokens.
    const seen = Math.min(now, end + 1);
    if (seen > this.#lastSeen()) this.#recordTime(seen);
    // Also true if `now` is not a number.
    if (!(now >= Math.max(lastSeen, notBefore) - LEEWAY_SECONDS)) throw new VerificationError("the clock was set back");
    if (now > end) throw new VerificationError("the token has expired");
  }

  /** Stores a fetched key set: signed by a root key, not expired, and not older than the stored one. */
  async storeKeySet(keySet, now) {
    const fetched = await this.#verifySignature(keySet, this.#rootKeys, "jwk-set+jwt");
    // Of two sets signed in the same second, the fetched one may be the older one.
    const newer = fetched.iat > (await this.#storedKeySet()).iat;
    if (!newer && keySet !== this.#read("jwks.jwt")) {
      throw new VerificationError("the key set is not newer than the stored one");
    }
    if (!(now <= integer(fetched, "exp") + LEEWAY_SECONDS)) throw new VerificationError("the key set has expired");
    this.#write("jwks.jwt", keySet);
  }

  /**
   * Stores a token that the API returned.
   *
   * `refusal` is the result of `storedRefusal` before the request was sent. If another process stores a refusal while the
   * request is in flight, the token is ignored. The stored time is set to the token's `iat`, so that a clock that was once
   * wrong is corrected.
   */
  async storeToken(token, refusal = null) {
    const claims = await this.#verifySignature(token, (await this.#storedKeySet()).keys, "license+jwt");
    this.#write("token", refusal ? `${token} ${refusal.id}` : token);
    this.#recordTime(integer(claims, "iat"));
  }

  /**
   * Imports a license file, for a machine that never reaches the API. Its token becomes the stored token, and is verified with
   * the key set of the file, which is stored beside it.
   *
   * If the file is later than the one that was imported before, the stored time is set to the token's `iat`, so that a clock
   * that was once wrong is corrected. Importing a file again does not set the time back, and does not undo a refusal.
   */
  async importLicenseFile(text, machineId, now) {
    const file = parseLicenseFile(text);
    if (file.issuer !== this.issuer) throw new VerificationError("the license file is from another issuer");
    if (file.product !== this.product) throw new VerificationError("the license file is for another product");
    const claims = await this.#verifySignature(file.token, await this.#licenseFileKeys(file, now), "license+jwt");
    const issuedAt = integer(claims, "iat");
    const isNewer = issuedAt > issueTime(this.#storedLicenseFile());
    this.#checkClaims(claims, machineId, now, isNewer ? issuedAt : this.#lastSeen());
    const refusal = this.storedRefusal();
    if (!isNewer && refusal && !this.storedToken()) throw new VerificationError("the API has refused the license since");
    this.#write("license-file", text);
    this.#write("token", refusal ? `${file.token} ${refusal.id}` : file.token);
    if (isNewer) this.#recordTime(issuedAt);
  }

  /** Returns the stored token, or null if there is none or if the API has refused the license since. */
  storedToken() {
    const [token, refusalId] = this.#read("token").split(" ");
    return token && refusalId === this.storedRefusal()?.id ? token : null;
  }

  /**
   * Records that the API refused the license, and removes the stored token.
   *
   * The token does not count from the moment the refusal is written, so that a crash in between is harmless. File errors
   * are ignored.
   */
  storeRefusal(code) {
    try { this.#write("refusal", `${randomUUID()} ${code}`); } catch { /* the token is removed all the same */ }
    try { rmSync(join(this.#directory, "token"), { force: true }); } catch { /* the refusal was written */ }
  }

  /** Returns the `id` and the `code` of the last refusal, or null. */
  storedRefusal() {
    const [id, code] = this.#read("refusal").split(" ");
    return id && code ? { id, code } : null;
  }

  /** Returns the token that was encrypted to the app's public key. */
  static async decrypt(encryptedToken, privateJwk) {
    const key = await importJWK(privateJwk, "RSA-OAEP");
    const { plaintext } = await compactDecrypt(encryptedToken, key, {
      keyManagementAlgorithms: ["RSA-OAEP"],
      contentEncryptionAlgorithms: ["A256CBC-HS512"],
    });
    return new TextDecoder().decode(plaintext);
  }

  /** Returns the keys that may have signed a token: those of the imported license file for its token, else the stored ones. */
  async #keysFor(token, now) {
    const file = this.#storedLicenseFile();
    return file?.token === token ? this.#licenseFileKeys(file, now) : (await this.#storedKeySet()).keys;
  }

  async #licenseFileKeys(file, now) {
    const keySet = await this.#verifySignature(file.signed_jwks, this.#rootKeys, "jwk-set+jwt");
    if (!(now <= integer(keySet, "iat") + LICENSE_FILE_SECONDS)) throw new VerificationError("the license file is too old");
    return keySet.keys;
  }

  #storedLicenseFile() {
    try { return parseLicenseFile(this.#read("license-file")); } catch { return null; }
  }

  async #storedKeySet() {
    try {
      return await this.#verifySignature(this.#read("jwks.jwt"), this.#rootKeys, "jwk-set+jwt");
    } catch {
      return { iat: 0, keys: [] };
    }
  }

  /** Returns the claims of an RS256 JWT of this type and issuer, signed by one of the keys. */
  async #verifySignature(jwt, keys, typ) {
    try {
      const header = decodeProtectedHeader(jwt);
      if (header.typ !== typ) throw new VerificationError(`typ must be ${typ}`);
      const key = keys.find(({ kid }) => kid === header.kid);
      if (!key) throw new UnknownKeyError("the signing key is unknown");
      const { payload } = await compactVerify(jwt, await importJWK(key, "RS256"), { algorithms: ["RS256"] });
      const claims = JSON.parse(new TextDecoder().decode(payload));
      if (claims.iss !== this.issuer) throw new VerificationError("iss is another issuer");
      return claims;
    } catch (error) {
      if (error instanceof VerificationError) throw error;
      throw new VerificationError(`invalid ${typ}: ${error.message}`, { cause: error });
    }
  }

  #lastSeen() {
    const text = this.#read("last-seen");
    return /^\d{1,15}$/.test(text) ? Number(text) : 0;
  }

  #recordTime(time) {
    try { this.#write("last-seen", String(Math.trunc(time))); } catch { /* a full or read-only disk must not stop the app */ }
  }

  #read(name) {
    try { return readFileSync(join(this.#directory, name), "utf8"); } catch { return ""; }
  }

  /** Replaces a file atomically. */
  #write(name, text) {
    const temporary = join(this.#directory, `${name}.${randomUUID()}`);
    try {
      writeFileSync(temporary, text);
      renameSync(temporary, join(this.#directory, name));
    } finally {
      rmSync(temporary, { force: true });
    }
  }
}

function parseLicenseFile(text) {
  let file;
  try { file = JSON.parse(text); } catch (error) { throw new VerificationError("not a license file", { cause: error }); }
  if (file?.format !== "signet-license/1") throw new VerificationError("not a license file of a known format");
  for (const name of ["issuer", "product", "token", "signed_jwks"]) {
    if (typeof file[name] !== "string") throw new VerificationError(`${name} of the license file must be a string`);
  }
  return file;
}

/** Returns the `iat` of a license file's token without verifying it, or 0. */
function issueTime(file) {
  try { return integer(decodeJwt(file.token), "iat"); } catch { return 0; }
}

function integer(claims, name) {
  const value = claims?.[name];
  if (!Number.isInteger(value)) throw new VerificationError(`claim ${name} must be an integer`);
  return value;
}
