// Behavior of the core that the conformance suite does not cover.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../dist/client.js";
import { parseConfig } from "../dist/config.js";
import { readConformance, storedLicense } from "./fixtures.mjs";

const NOW = 1_768_478_400;
const { machine_id: machineId, ...config } = readConformance("config.json");
const stored = storedLicense();
const { token } = JSON.parse(stored["token.json"]);
const licenseKey = stored["license-key"];
const call = { isBackground: false };

const reply = (status, body, contentType = "application/json") => ({
  status,
  headers: { "content-type": contentType },
  body: JSON.stringify(body),
});
const problem = (status, code) => reply(status, { code }, "application/problem+json");
const renewed = reply(200, { token });

/** A client over a stored license, whose transport returns these responses or calls these functions. */
function openClient(responses, files = stored) {
  const content = new Map(Object.entries(files));
  const requests = [];
  const elapsed = { seconds: 0 };
  const options = {
    machineId,
    instanceId: null,
    machineName: null,
    appVersion: null,
    os: null,
    hostname: null,
    isEphemeral: false,
    keepLicenseKey: true,
    storageName: "test",
  };
  const client = new Client(parseConfig(config), options, {
    time: { wall: () => NOW + elapsed.seconds, monotonic: () => elapsed.seconds },
    random: () => 0.5,
    randomId: () => "id",
    storage: {
      read: (name) => (content.has(name) ? Buffer.from(content.get(name)) : null),
      write: (name, bytes) => content.set(name, Buffer.from(bytes).toString()),
      remove: (name) => content.delete(name),
    },
    transport: {
      send: async (request) => {
        requests.push(request.path.split("/").at(-1));
        const response = responses.shift();
        return typeof response === "function" ? response() : response;
      },
    },
  });
  return { client, content, requests, elapsed };
}

test("after a release the background task takes no seat, until the app activates", async () => {
  const { client, content } = openClient([reply(200, {}), renewed]);
  await client.release(call);
  assert.equal(client.state().name, "Unactivated");
  assert.equal(content.get("license-key"), licenseKey);
  assert.equal(client.secondsToNextRequest(), null);
  await client.activate(licenseKey, call);
  assert.equal(client.secondsToNextRequest(), 945);
});

test("a borrow of a seat that was lost activates once, and borrows again", async () => {
  const { client, requests } = openClient([problem(403, "not_activated"), renewed, renewed]);
  assert.equal((await client.borrow(new Date((NOW + 86_400) * 1000), call)).name, "Active");
  assert.deepEqual(requests, ["heartbeat", "activate", "heartbeat"]);
});

test("a borrow that is refused after the activation is an error, and keeps the new seat", async () => {
  const { client } = openClient([problem(403, "not_activated"), renewed, problem(403, "not_activated")]);
  await assert.rejects(client.borrow(new Date((NOW + 86_400) * 1000), call), { code: "not_activated" });
  assert.equal(client.state().name, "Active");
});

test("a problem with a 5xx status is unreachable, and the license key is stored for another try", async () => {
  const { client, content } = openClient([problem(503, "unavailable")], {});
  await assert.rejects(client.activate(licenseKey, call), { code: "unreachable" });
  assert.equal(content.get("license-key"), licenseKey);
  assert.equal(client.secondsToNextRequest(), 5);
});

test("a message contains no control characters, and cuts long texts between characters", async () => {
  const detail = `${"a".repeat(299)}😀b`;
  const errors = [{ pointer: "/os", detail: "a\u2028b\u0000c" }];
  const body = { code: "invalid_value", detail, errors };
  const { client } = openClient([reply(422, body, "application/problem+json")], {});
  const message = `the license key was not activated: ${"a".repeat(299)}😀; /os: a b c`;
  await assert.rejects(client.activate(licenseKey, call), { code: "invalid_value", message });
});

test("a request that is cancelled counts as no failure", async () => {
  const controller = new AbortController();
  const cancel = () => {
    controller.abort();
    throw new Error("cancelled");
  };
  const { client } = openClient([cancel]);
  const before = client.diagnose();
  await assert.rejects(client.activate(licenseKey, { isBackground: false, signal: controller.signal }), { code: "closed" });
  assert.equal(client.state().name, "Active");
  assert.equal(client.diagnose(), before);
});

test("a deactivation that a captive portal answers changes nothing", async () => {
  const portal = { status: 200, headers: { "content-type": "text/html" }, body: "<html></html>" };
  const { client } = openClient([portal]);
  await assert.rejects(client.deactivate(call), { code: "unreachable" });
  assert.equal(client.state().name, "Active");
});

test("the background task runs as soon as the token has ended, although no request is due", async () => {
  const record = { ...JSON.parse(stored["token.json"]), next_heartbeat_at: NOW + 30 * 86_400 };
  const { client, requests, elapsed } = openClient([reply(200, {})], { ...stored, "token.json": JSON.stringify(record) });
  const states = [];
  client.onChange((state) => states.push(state.name));
  const [exp, offlineUntil, keyFetch] = [3_600, 3_600 + 3 * 86_400, 82_800];
  for (const [time, secondsToNextRun] of [
    [0, exp + 1],
    [exp - 10, 11],
    [exp + 0.5, 0.5],
    [exp + 1, keyFetch - exp - 1],
    [offlineUntil - 10, 11],
    [offlineUntil + 1, 3_600 - 11],
  ]) {
    elapsed.seconds = time;
    await client.run(call);
    assert.equal(client.secondsToNextRun(), secondsToNextRun, `at ${time}`);
  }
  assert.deepEqual(requests, ["jwks.jwt"]);
  assert.deepEqual(states, ["Offline", "Expired"]);
});

test("the background task of a client without a token has nothing to report", () => {
  assert.equal(openClient([], {}).client.secondsToNextRun(), null);
});
