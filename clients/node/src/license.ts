import { randomUUID } from "node:crypto";
import type { CallOptions } from "./api-session.js";
import { BackgroundTask } from "./background-task.js";
import { Client, type ClientOptions } from "./client.js";
import { type AppConfig, parseConfig } from "./config.js";
import { clientOptions, findStorage, httpOptions } from "./defaults.js";
import { SignetError } from "./errors.js";
import { HttpTransport } from "./http-transport.js";
import type { Options } from "./options.js";
import type { State } from "./state.js";
import { systemTime } from "./system.js";

/**
 * Opens the license of this machine from what is stored, without a request, and renews it in the background.
 *
 * `config` is the content of `signet-app.json`, as an object or as JSON text. Throws a `SignetError` with the code
 * `invalid_config` if it or an option is not valid, and no other error.
 */
export function open(config: AppConfig | string, options: Options = {}): License {
  const checked = parseConfig(config);
  const ofClient = clientOptions(checked, options);
  const client = new Client(checked, ofClient, {
    time: systemTime,
    storage: findStorage(checked, options),
    transport: new HttpTransport(httpOptions(checked, options)),
    random: Math.random,
    randomId: randomUUID,
  });
  return new License(client, ofClient);
}

/** The license of this machine, or of this process. Created by `open`. */
export class License {
  readonly #client: Client;
  readonly #holdsSeatOfProcess: boolean;
  readonly #background: BackgroundTask;
  readonly #closing = new AbortController();
  #isClosed = false;
  #queue: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(client: Client, { instanceId, isEphemeral }: ClientOptions) {
    this.#client = client;
    this.#holdsSeatOfProcess = instanceId !== null || isEphemeral;
    this.#background = new BackgroundTask(
      (signal) => this.#inOrder(() => this.#client.run({ isBackground: true, signal })),
      () => this.#client.secondsToNextRun(),
    );
    this.#background.schedule();
  }

  /** Returns the present state, without a request. */
  state(): State {
    return this.#client.state();
  }

  /** Returns whether the app may run and the license has a feature. */
  has(feature: string): boolean {
    return this.#client.has(feature);
  }

  /** Returns the limit for a feature: 0 if the app may not run or nothing is granted, and `Infinity` if it is unlimited. */
  limit(feature: string): number {
    return this.#client.limit(feature);
  }

  /**
   * Calls a function with each new state, in the event loop of this thread, after an operation or a run of the background task. Errors in it are
   * ignored. Returns a function that ends this.
   */
  onChange(listener: (state: State) => unknown): () => void {
    return this.#client.onChange(listener);
  }

  /**
   * Activates this machine with a license key, and returns the new state. Rejects with the code of the refusal, or
   * `unreachable`; the background task then tries again where that can help.
   */
  activate(licenseKey: string): Promise<State> {
    return this.#operate((call) => this.#client.activate(licenseKey, call));
  }

  /**
   * Gives the seat back for good, and removes the license key and the token. After a refusal, it activates before, because the seat may still be
   * taken. Rejects, and changes nothing, if the API does not free the seat or cannot be reached.
   */
  deactivate(): Promise<State> {
    return this.#operate((call) => this.#client.deactivate(call));
  }

  /**
   * Asks the API now, and returns the new state: sends a heartbeat, or activates with the stored license key if there is no token or after a
   * refusal. Programs that end within seconds call it, because the background task sends its first request only later. A failure of the
   * network is no error: the state says what is known.
   */
  refresh(): Promise<State> {
    return this.#operate((call) => this.#client.refresh(call));
  }

  /**
   * Gives the seat back, and keeps the license key. Takes at most two seconds. The background task then sends nothing until there is a token or
   * `activate` has stored the license key. Does nothing with a token from a license file.
   */
  release(): Promise<State> {
    return this.#operate((call) => this.#client.release(call));
  }

  /**
   * Borrows the seat until a time, for which the app then runs without a network. Rejects without a request with the code `invalid_value` if that is
   * not later than now, and with `ephemeral_machine_id` if the machine id ends with the process.
   */
  borrow(until: Date): Promise<State> {
    return this.#operate((call) => this.#client.borrow(until, call));
  }

  /**
   * Returns the text from which an operator makes a license file for this machine. Throws with the code `ephemeral_machine_id` if the machine id ends
   * with the process: give `open` one that stays the same.
   */
  offlineRequest(): string {
    return this.#client.offlineRequest();
  }

  /**
   * Imports a license file, and returns the new state. Throws with the code `license_file_invalid`, or with the code of a
   * refusal that is later than the file.
   */
  importLicenseFile(file: string | Uint8Array): State {
    if (this.#isClosed) throw closed();
    this.#background.interrupt();
    try {
      return this.#client.importLicenseFile(typeof file === "string" ? file : new TextDecoder().decode(file));
    } finally {
      this.#background.schedule();
    }
  }

  /** Returns lines of text for support, without the license key and tokens. */
  diagnose(): string {
    return this.#client.diagnose();
  }

  /**
   * Stops the background task, and the calls of `onChange`. Gives the seat back if it is that of a process, or of a machine with an ephemeral id. The state
   * can still be read. Never rejects.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.stopReporting();
    this.#background.stop();
    this.#closing.abort();
    const release = async () => {
      if (this.#holdsSeatOfProcess) await this.#client.release({ isBackground: false });
    };
    await this.#inOrder(release).catch(() => {});
  }

  /** Runs an operation of the app, which does not wait for the background task. */
  async #operate(operation: (call: CallOptions) => Promise<State>): Promise<State> {
    if (this.#isClosed) throw closed();
    this.#background.interrupt();
    try {
      return await this.#inOrder(() => {
        if (this.#isClosed) throw closed();
        return operation({ isBackground: false, signal: this.#closing.signal });
      });
    } finally {
      this.#background.schedule();
    }
  }

  /** Runs one operation after another. */
  #inOrder<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => {});
    return result;
  }
}

function closed(): SignetError {
  return new SignetError("closed", "the license was closed");
}
