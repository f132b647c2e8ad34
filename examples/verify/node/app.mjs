// An app that is licensed by Signet. It runs offline until `offline_until` of its token.
import { mkdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { UnknownKeyError, VerificationError, Verifier } from "./verifier.mjs";

const TIMEOUT_MS = 10_000;

/** The license must not be used, whatever the stored token says. */
const LICENSE_CODES = ["revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated"];
/** The machine has lost its seat, or the token's signing key was condemned: the app activates once. */
const REACTIVATION_CODES = ["not_activated", "token_invalid"];
/** An activation was refused. */
const ACTIVATION_CODES = [...LICENSE_CODES, ...REACTIVATION_CODES, "not_found", "seat_limit_reached"];

/** The API refused the license. The app must stop. */
export class LicenseRefusedError extends Error {
  constructor(code, options) {
    super(`license refused: ${code}`, options);
    this.code = code;
  }
}

/** The API returned no token. `code` is null unless the response is a problem document of the API. */
export class ApiError extends Error {
  constructor(message, code = null, options = undefined) {
    super(`API unavailable: ${message}`, options);
    this.code = code;
  }
}

/**
 * Call `licensed` at start and before each licensed operation, `fetchKeys` at start and once a day, and `heartbeat` in the
 * background, every `enforcement.heartbeat_interval_seconds`.
 */
export class App {
  #verifier;
  #machineId;
  #licenseKey;
  #refused = false;

  constructor(config, directory, machineId, licenseKey) {
    this.#verifier = new Verifier(config, directory);
    this.#machineId = machineId;
    this.#licenseKey = licenseKey;
  }

  /** Returns the claims of the stored token. Activates this machine if there is none. */
  async licensed() {
    if (this.#refused || this.#verifier.storedToken() === null) await this.activate();
    try {
      return await this.#withCurrentKeys(() => this.#verifyStoredToken());
    } catch (error) {
      if (!(error instanceof UnknownKeyError)) throw error;
      // The key that signed the token was condemned.
      await this.activate();
      return this.#verifyStoredToken();
    }
  }

  /** Renews the stored token. Returns false if the API is unavailable: the app goes on with the token that it has. */
  async heartbeat() {
    try {
      const token = this.#verifier.storedToken();
      if (this.#refused || token === null) await this.activate();
      else await this.#renewOrReactivate(token);
      return true;
    } catch (error) {
      if (error instanceof LicenseRefusedError) throw error;
      return false;
    }
  }

  /** Fetches the signed key set. Returns false, and keeps the stored one, if that fails. */
  async fetchKeys() {
    try {
      const url = `${this.#verifier.issuer}/.well-known/jwks.jwt`;
      const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!response.ok) return false;
      await this.#verifier.storeKeySet(await response.text(), now());
      return true;
    } catch {
      return false;
    }
  }

  /** Imports a license file, and returns the claims of its token. Replaces an activation over the network. */
  async importLicenseFile(path) {
    await this.#verifier.importLicenseFile(readFileSync(path, "utf8"), this.#machineId, now());
    this.#refused = false;
    return this.#verifyStoredToken();
  }

  /** Activates this machine with the license key. Repeating it is safe: the machine keeps its seat. */
  async activate() {
    try {
      await this.#renew("license-activations/activate", { license_key: this.#licenseKey }, ACTIVATION_CODES);
    } catch (error) {
      const refusal = this.#verifier.storedRefusal();
      if (error instanceof ApiError && refusal && this.#verifier.storedToken() === null) {
        throw new LicenseRefusedError(refusal.code, { cause: error });
      }
      throw error;
    }
  }

  async #renewOrReactivate(token) {
    try {
      await this.#renew("license-keys/heartbeat", { token }, LICENSE_CODES);
    } catch (error) {
      if (!REACTIVATION_CODES.includes(error.code)) throw error;
      await this.activate();
    }
  }

  /** Requests a token and stores it, or stores the refusal. */
  async #renew(path, credential, refusalCodes) {
    const refusal = this.#verifier.storedRefusal();
    let token;
    try {
      token = await this.#requestToken(path, credential);
    } catch (error) {
      if (!refusalCodes.includes(error.code)) throw error;
      this.#refused = true; // also if the refusal cannot be written to disk
      this.#verifier.storeRefusal(error.code);
      throw new LicenseRefusedError(error.code, { cause: error });
    }
    await this.#withCurrentKeys(() => this.#verifier.storeToken(token, refusal));
    this.#refused = false;
  }

  async #requestToken(path, credential) {
    let response;
    try {
      response = await fetch(`${this.#verifier.issuer}/api/v1.0/${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ machine_id: this.#machineId, ...credential }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.ok) return (await response.json()).token;
    } catch (error) {
      throw new ApiError(error.message, null, { cause: error });
    }
    throw new ApiError(`HTTP status ${response.status}`, await problemCode(response));
  }

  async #verifyStoredToken() {
    const token = this.#verifier.storedToken();
    // Another process was refused.
    if (token === null) throw new LicenseRefusedError(this.#verifier.storedRefusal()?.code ?? "not_activated");
    return this.#verifier.verify(token, this.#machineId, now());
  }

  async #withCurrentKeys(action) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof UnknownKeyError)) throw error;
      await this.fetchKeys();
      return action();
    }
  }
}

function now() {
  return Math.floor(Date.now() / 1000);
}

/** Returns the code of a problem document, or null for any other response, such as the HTML of a proxy. */
async function problemCode(response) {
  const [mediaType] = (response.headers.get("content-type") ?? "").split(";");
  if (response.status >= 500 || mediaType.trim().toLowerCase() !== "application/problem+json") return null;
  try {
    const { code } = await response.json();
    return typeof code === "string" ? code : null;
  } catch {
    return null;
  }
}

async function main([configFile, directory, command, ...file]) {
  const commands = {
    licensed: "licensed", heartbeat: "heartbeat", "fetch-keys": "fetchKeys", "import-license-file": "importLicenseFile",
  };
  if (!Object.hasOwn(commands, command)) {
    const usage = "licensed|heartbeat|fetch-keys|import-license-file FILE";
    throw new Error(`usage: MACHINE_ID=... LICENSE_KEY=... node app.mjs CONFIG.json DIR ${usage}`);
  }
  mkdirSync(directory, { recursive: true });
  const config = JSON.parse(readFileSync(configFile, "utf8"));
  const app = new App(config, directory, process.env.MACHINE_ID, process.env.LICENSE_KEY);
  console.log(JSON.stringify(await app[commands[command]](...file)));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  }
}
