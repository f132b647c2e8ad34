// Runs the scenarios of the conformance suite against the core. Each is a test.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Client } from "../dist/client.js";
import { parseConfig } from "../dist/config.js";
import { readConformance, SCENARIO_FILES } from "./fixtures.mjs";
import { stateAsJson } from "./state-as-json.mjs";

const { machine_id: machineId, ...config } = readConformance("config.json");

for (const file of SCENARIO_FILES) {
  describe(file, () => {
    for (const scenario of readConformance(`scenarios/${file}.json`)) {
      test(scenario.name, async () => {
        const runner = new Runner(scenario);
        for (const [index, step] of scenario.steps.entries()) {
          await runner.perform(step).catch((error) => {
            error.message = `step ${index + 1} (${step.do}): ${error.message}`;
            throw error;
          });
        }
      });
    }
  });
}

/** Performs the steps of a scenario, with clocks, a storage and a transport of its own. */
class Runner {
  #clients = new Map();
  #storage;
  #wall;
  #monotonic = 0;
  #responses = [];
  #requests = [];

  constructor(scenario) {
    this.scenario = scenario;
    this.#storage = new Map(Object.entries(scenario.storage));
    this.#wall = scenario.start;
  }

  async perform(step) {
    const name = step.client ?? "a";
    this.#responses = [...(step.responses ?? [])];
    this.#requests = [];
    const before = this.#clients.get(name)?.changes.length ?? 0;
    const outcome = await this.#act(step, name).then(
      (result) => ({ result }),
      (error) => ({ error }),
    );
    if (outcome.error && outcome.error.name !== "SignetError") throw outcome.error;
    assert.equal(outcome.error?.code, step.error, "error");
    if (outcome.error) this.#compareMessage(outcome.error.message, step);
    if ("result" in step) assert.deepEqual(outcome.result, step.result, "result");
    assert.deepEqual(this.#requests, step.requests ?? [], "requests");
    assert.equal(this.#responses.length, 0, "all responses are used");
    const { client, changes } = this.#clients.get(name) ?? {};
    if (step.state) assert.deepEqual(stateAsJson(client.state()), step.state, "state");
    if ("next" in step) this.#compareNext(client.secondsToNextRequest(), step.next);
    if (step.changes) assert.deepEqual(changes.slice(before), step.changes, "changes");
    for (const [file, content] of Object.entries(step.storage ?? {})) this.#compareFile(file, content);
  }

  async #act(step, name) {
    const client = this.#clients.get(name)?.client;
    const call = { isBackground: step.do === "run" };
    switch (step.do) {
      case "state":
        return undefined;
      case "open":
        return this.#open(name);
      case "restart":
        return this.#clients.delete(name);
      case "advance":
        this.#monotonic += step.seconds;
        this.#wall += step.seconds;
        return undefined;
      case "set_clock":
        this.#wall += step.seconds;
        return undefined;
      case "run":
        return client.run(call);
      case "activate":
        return client.activate(step.license_key, call);
      case "deactivate":
        return client.deactivate(call);
      case "release":
        return client.release(call);
      case "close": {
        const { instance_id: instanceId, ephemeral } = this.scenario.options;
        client.stopReporting();
        return instanceId || ephemeral ? client.release(call) : undefined;
      }
      case "refresh":
        return client.refresh(call);
      case "borrow":
        return client.borrow(new Date(step.until * 1000), call);
      case "import_license_file":
        return client.importLicenseFile(step.file);
      case "offline_request":
        return JSON.parse(Buffer.from(client.offlineRequest().replace("signet-request/1:", ""), "base64url"));
      case "has":
        return client.has(step.feature);
      case "limit":
        return client.limit(step.feature) === Number.POSITIVE_INFINITY ? "unlimited" : client.limit(step.feature);
      case "diagnose":
        return compareText(client.diagnose(), step);
      default:
        throw new Error(`unknown step ${step.do}`);
    }
  }

  #open(name) {
    const { options } = this.scenario;
    const clientOptions = {
      machineId,
      isEphemeral: options.ephemeral ?? false,
      instanceId: options.instance_id ?? null,
      machineName: options.machine_name ?? null,
      appVersion: options.app_version ?? null,
      os: options.os ?? null,
      hostname: options.hostname ?? null,
      keepLicenseKey: options.keep_license_key ?? true,
      storageName: "of the app",
    };
    const client = new Client(parseConfig(config), clientOptions, {
      time: { wall: () => this.#wall, monotonic: () => this.#monotonic },
      random: () => this.scenario.random,
      randomId: randomUUID,
      storage: this.#storagePort(),
      transport: { send: async (request) => this.#respond(request) },
    });
    const changes = [];
    client.onChange((state) => changes.push(stateAsJson(state)));
    this.#clients.set(name, { client, changes });
  }

  #storagePort() {
    const writable = (change) => {
      if (this.scenario.options.read_only) throw new Error("read-only");
      change();
    };
    return {
      read: (name) => (this.#storage.has(name) ? Buffer.from(this.#storage.get(name)) : null),
      write: (name, content) => writable(() => this.#storage.set(name, Buffer.from(content).toString())),
      remove: (name) => writable(() => this.#storage.delete(name)),
    };
  }

  #respond({ method, path, body }) {
    this.#requests.push({ method, path, ...(body && { body }) });
    const response = this.#responses.shift();
    assert.ok(response, `unexpected request ${method} ${path}`);
    for (const [name, content] of Object.entries(response.during ?? {})) {
      if (content === null) this.#storage.delete(name);
      else this.#storage.set(name, content);
    }
    if (response.fault) throw new Error(`fault: ${response.fault}`);
    const text = typeof response.body === "string" ? response.body : JSON.stringify(response.body);
    return { status: response.status, headers: response.headers, body: text };
  }

  #compareMessage(text, { message = [], message_excludes: excludes = [] }) {
    compareText(text, { contains: message, excludes: ["\n", "ATLAS-", "eyJ", ...excludes] });
  }

  #compareNext(actual, expected) {
    const isEqual = expected === null || actual === null ? actual === expected : Math.abs(actual - expected) <= 1;
    assert.ok(isEqual, `next: ${actual} instead of ${expected}`);
  }

  #compareFile(name, expected) {
    const actual = this.#storage.get(name) ?? null;
    if (expected === null || typeof expected === "string") return assert.equal(actual, expected, name);
    const stored = JSON.parse(actual ?? "null");
    for (const [field, value] of Object.entries(expected)) {
      assert.ok(isDeepStrictEqual(stored?.[field], value), `${name}: ${field} is ${stored?.[field]} instead of ${value}`);
    }
  }
}

function compareText(text, { contains = [], excludes = [] }) {
  for (const part of contains) assert.ok(text.includes(part), `${part} is missing in:\n${text}`);
  for (const part of excludes) assert.ok(!text.includes(part), `${part} is in:\n${text}`);
}
