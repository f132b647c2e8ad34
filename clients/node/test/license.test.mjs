// Tests the public API over real files, sockets and timers.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, mock, test } from "node:test";
import { inspect } from "node:util";
import * as esm from "signet-client";
import { readConformance, storedLicense, testFile } from "./fixtures.mjs";
import { startServer } from "./servers.mjs";

const { open, SignetError } = esm;
const { machine_id: machineId, ...config } = readConformance("config.json");
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const rejections = [];
process.on("unhandledRejection", (error) => rejections.push(error));

let folder;
const licenses = [];
const servers = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signet-"));
});
afterEach(async () => {
  for (const license of licenses.splice(0)) await license.close();
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
  assert.deepEqual(rejections.splice(0), []);
});

/** Opens a license that ends with the test. Its API is on a port that refuses connections, unless another is given. */
function openLicense(apiUrl = "http://127.0.0.1:9", options = {}) {
  const license = open({ ...config, api_url: apiUrl }, { folder, machineId, ...options });
  licenses.push(license);
  return license;
}

async function startApi(respond) {
  const server = await startServer(respond);
  servers.push(server);
  return server;
}

/** Answers with a problem document. */
const problem = (status, code) => (_, response) => {
  response.writeHead(status, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ code }));
};

function storeLicense() {
  for (const [name, text] of Object.entries(storedLicense())) writeFileSync(join(folder, name), text);
}

test("import and require return the same functions", () => {
  const cjs = createRequire(import.meta.url)("signet-client");
  assert.equal(cjs.open, esm.open);
  assert.equal(cjs.SignetError, esm.SignetError);
  assert.deepEqual(Object.keys(esm).sort(), ["SignetError", "open"]);
  assert.deepEqual(Object.keys(cjs).sort(), ["SignetError", "open"]);
});

test("open accepts JSON text, ignores unknown fields, and makes no request", async () => {
  const api = await startApi(() => assert.fail("a request"));
  const license = open(JSON.stringify({ ...config, api_url: api.url, other: 1 }), { folder, machineId });
  licenses.push(license);
  assert.deepEqual(license.state(), { name: "Unactivated", mayRun: false, hasLicenseKey: false, reason: null });
  assert.equal(api.requests.length, 0);
});

for (const [what, change] of Object.entries({
  "no root key": { root_keys: [] },
  "a root key that is no key": { root_keys: [null] },
  "no product": { product: undefined },
  "an empty product": { product: "" },
  "no issuer": { issuer: undefined },
  "an API without TLS": { api_url: "http://licenses.example.com" },
  "an API on a host that looks like a loopback host": { api_url: "http://127.0.0.1.example.com" },
  "an API that is no URL": { api_url: "licenses" },
  "an API with a password": { api_url: "https://ada:password@licenses.example.com" },
  "an API with a query": { api_url: "https://licenses.example.com/?tenant=1" },
  "an API with an empty query": { api_url: "https://licenses.example.com?" },
  "an API with a fragment": { api_url: "https://licenses.example.com/#api" },
  "a root key without a modulus": { root_keys: [config.root_keys[0], { kty: "RSA", e: "AQAB" }] },
  "a root key without an exponent": { root_keys: [{ ...config.root_keys[0], e: undefined }] },
  "a root key that is not an RSA key": { root_keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y" }] },
})) {
  test(`open fails with ${what}`, () => {
    assert.throws(() => open({ ...config, ...change }, { folder, machineId }), { name: "SignetError", code: "invalid_config" });
  });
}

test("open fails with text that is no JSON object", () => {
  for (const text of ["", "x", "null", "[]"]) assert.throws(() => open(text), { code: "invalid_config" });
});

test("open allows http on loopback hosts", () => {
  for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"]) openLicense(`http://${host}:9/`);
});

test("a stored license is verified, and its features and limits are read", () => {
  storeLicense();
  const license = openLicense();
  // The token of the conformance suite has ended; the app's own clock decides.
  assert.equal(license.state().name, "Expired");
  assert.equal(license.state().since.toISOString(), "2026-01-18T13:00:00.000Z");
  assert.equal(license.has("export.pdf"), false);
  assert.equal(license.limit("export.rows"), 0);
});

for (const [what, options, message] of [
  ["an empty machine id", { machineId: "" }, /machineId must be 1 to 256 bytes/],
  ["a machine id of 257 bytes", { machineId: `${"ü".repeat(128)}x` }, /machineId must be 1 to 256 bytes/],
  ["a machine id with a control character", { machineId: "a\n" }, /machineId .* without control characters/],
  ["a machine id that is no text", { machineId: 7 }, /machineId must be/],
  ["a machine id function that returns no id", { machineId: () => undefined }, /machineId must be/],
  ["an empty instance id", { instanceId: "" }, /instanceId must be 1 to 64 bytes/],
  ["an instance id of 65 bytes", { instanceId: "x".repeat(65) }, /instanceId must be 1 to 64 bytes/],
  ["an instance id with a control character", { instanceId: "\u007F" }, /instanceId must be/],
  [
    "ids that are too long together",
    { machineId: "x".repeat(250), instanceId: "x".repeat(7) },
    /instanceId .* 256 bytes together/,
  ],
  ["a proxy that is no URL", { proxy: "proxy:password@" }, /proxy must be an http or https URL/],
  ["a SOCKS proxy", { proxy: "socks5://proxy.example.com" }, /proxy must be/],
  ["a proxy without a host", { proxy: "http://" }, /proxy must be/],
  ["no time to connect", { connectTimeoutSeconds: 0 }, /connectTimeoutSeconds must be .* more than 0/],
  ["a negative time", { timeoutSeconds: -1 }, /timeoutSeconds must be/],
  ["a time that is no number", { timeoutSeconds: Number.NaN }, /timeoutSeconds must be/],
  [
    "a user agent with a line feed",
    { userAgentSuffix: "atlas\r\nX: 1" },
    /userAgentSuffix must be .* without control characters/,
  ],
  ["a user agent that Node cannot send", { userAgentSuffix: "atlas/4.2 😀" }, /userAgentSuffix must be/],
  ["certificates that are no PEM", { ca: "no PEM" }, /ca must contain/],
  [
    "certificates that cannot be read",
    { ca: ["-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----"] },
    /ca must contain/,
  ],
]) {
  test(`open fails with ${what}`, () => {
    const check = { name: "SignetError", code: "invalid_config", message };
    assert.throws(() => open(config, { folder, machineId, ...options }), check);
  });
}

test("open fails if the function for the machine id fails, with its error as the cause", () => {
  const cause = new Error("no id");
  const fail = () => {
    throw cause;
  };
  assert.throws(() => open(config, { folder, machineId: fail }), { code: "invalid_config", message: /machineId/, cause });
});

test("open accepts options at their limits", () => {
  const ca = readFileSync(testFile("tls/ca.pem"));
  for (const options of [
    { machineId: "ü".repeat(128) },
    { machineId: "x".repeat(192), instanceId: "x".repeat(64) },
    { proxy: "https://ada:password@[::1]:3128", timeoutSeconds: 0.1, connectTimeoutSeconds: Number.POSITIVE_INFINITY },
    { ca },
    { ca: [] },
    { ca: ["no PEM", ca.toString()] },
  ]) {
    assert.equal(openLicense(undefined, options).state().name, "Unactivated");
  }
});

test("a machine id comes from the option, or from a function", () => {
  const idOf = (machineId) => {
    const text = openLicense(undefined, { machineId }).offlineRequest().split(":")[1];
    return JSON.parse(Buffer.from(text, "base64url")).machine_id;
  };
  assert.equal(idOf("press-3"), "press-3");
  assert.equal(
    idOf(() => "press-4"),
    "press-4",
  );
});

test("activate sends the defaults, and rejects with the code of the refusal", async () => {
  let body = "";
  const api = await startApi((request, response) => {
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => problem(403, "revoked")(request, response));
  });
  const license = openLicense(api.url, { appVersion: "4.2.0", userAgentSuffix: "atlas/4.2.0" });
  await assert.rejects(license.activate(" KEY "), (error) => error instanceof SignetError && error.code === "revoked");
  const { machine_name: name, os, ...rest } = JSON.parse(body);
  assert.deepEqual(rest, { license_key: "KEY", machine_id: machineId, app_version: "4.2.0" });
  assert.ok(name.length > 0);
  assert.match(os, /^\w+ \w+$/);
  assert.equal(api.requests[0].headers["user-agent"], `signet-client-node/${version} atlas/4.2.0`);
  assert.deepEqual(license.state(), { name: "Refused", mayRun: false, code: "revoked", retryAt: null });
});

test("an error and the text for support contain no license key", async () => {
  const api = await startApi(problem(403, "revoked"));
  const license = openLicense(api.url);
  const error = await license.activate("SECRET-KEY").catch((caught) => caught);
  for (const text of [String(error.stack), JSON.stringify(error), license.diagnose()]) assert.ok(!text.includes("SECRET-KEY"));
});

test("the error of an operation without a response has the error of the HTTP client as its cause", async () => {
  const server = await startServer(() => {});
  server.close();
  const error = await openLicense(server.url)
    .activate("KEY")
    .catch((caught) => caught);
  assert.equal(error.code, "unreachable");
  assert.equal(error.message, `the license key was not activated: connect ECONNREFUSED 127.0.0.1:${server.port}`);
  assert.equal(error.cause.code, "ECONNREFUSED");
});

test("a state has a text form, and can be copied", async () => {
  const license = openLicense();
  await assert.rejects(license.activate("KEY"), { code: "unreachable" });
  assert.equal(String(license.state()), "Unactivated (a license key is stored; network)");
  const copy = { name: "Unactivated", mayRun: false, hasLicenseKey: true, reason: "network" };
  assert.deepEqual(structuredClone(license.state()), copy);
});

test("a callback is not called once close was called", async () => {
  const arrived = withResolvers();
  const api = await startApi((request, response) => {
    if (!request.url.endsWith("/heartbeat")) return response.end("{}");
    arrived.resolve();
  });
  storeLicense();
  const license = openLicense(api.url);
  license.onChange(() => assert.fail("a call"));
  const refresh = license.refresh();
  await arrived.promise;
  await Promise.all([license.close(), assert.rejects(refresh, { code: "closed" })]);

  const activating = withResolvers();
  const other = await startApi(() => activating.resolve());
  const process = openLicense(other.url, { instanceId: "worker-1" });
  process.onChange(() => assert.fail("a call"));
  const activation = process.activate("KEY");
  await activating.promise;
  await Promise.all([process.close(), assert.rejects(activation, { code: "closed" })]);
});

test("a borrow until a value that is no date in the future is an error without a request", async () => {
  storeLicense();
  const license = openLicense();
  for (const until of [new Date(), new Date(Number.NaN), new Date(0), "2999-01-01", 32_472_144_000_000, undefined, null]) {
    await assert.rejects(license.borrow(until), { code: "invalid_value" });
  }
});

test("a license shows nothing secret when it is printed", async () => {
  storeLicense();
  const license = openLicense();
  const text = inspect(license, { depth: 10, showHidden: true }) + JSON.stringify(license);
  for (const secret of ["ATLAS-", "eyJ"]) assert.ok(!text.includes(secret));
});

test("a callback that throws or rejects does not disturb the license, and the others are called", async () => {
  const api = await startApi(problem(403, "revoked"));
  const license = openLicense(api.url);
  const states = [];
  license.onChange(() => {
    throw new Error("error of the app");
  });
  license.onChange(async () => {
    throw new Error("error of the app");
  });
  license.onChange((state) => states.push(state.name));
  const end = license.onChange(() => assert.fail("called after its end"));
  end();
  await assert.rejects(license.activate("KEY"), { code: "revoked" });
  await new Promise(setImmediate);
  assert.deepEqual(states, ["Refused"]);
});

test("a callback can call the license", async () => {
  const api = await startApi(problem(403, "revoked"));
  const license = openLicense(api.url);
  const called = new Promise((resolve) => license.onChange(() => resolve(license.deactivate())));
  await assert.rejects(license.activate("KEY"), { code: "revoked" });
  assert.equal((await called).name, "Unactivated");
});

test("operations run one after another", async () => {
  let running = 0;
  const api = await startApi((request, response) => {
    running += 1;
    assert.equal(running, 1);
    setImmediate(() => {
      running -= 1;
      problem(403, "revoked")(request, response);
    });
  });
  const license = openLicense(api.url);
  const results = await Promise.allSettled(["A", "B", "C"].map((key) => license.activate(key)));
  assert.deepEqual(
    results.map(({ reason }) => reason.code),
    ["revoked", "revoked", "revoked"],
  );
  assert.equal(api.requests.length, 3);
});

test("an operation cancels a request of the background task instead of waiting for it", async (context) => {
  storeLicense();
  const arrived = withResolvers();
  const api = await startApi((request, response) => {
    if (request.url.endsWith("/activate")) return problem(403, "revoked")(request, response);
    arrived.resolve();
  });
  mock.method(Math, "random", () => 0);
  context.after(() => mock.restoreAll());
  const license = openLicense(api.url);
  await arrived.promise;
  await assert.rejects(license.activate(storedLicense()["license-key"]), { code: "revoked" });
});

test("close ends an operation that waits for the network", async () => {
  const arrived = withResolvers();
  const api = await startApi(() => arrived.resolve());
  const license = openLicense(api.url);
  const activation = license.activate("KEY");
  await arrived.promise;
  await Promise.all([license.close(), license.close(), assert.rejects(activation, { code: "closed" })]);
  await assert.rejects(license.activate("KEY"), { code: "closed" });
  assert.throws(() => license.importLicenseFile("{}"), { code: "closed" });
  assert.equal(license.state().name, "Unactivated");
});

test("a storage of the app is used", () => {
  const files = new Map(Object.entries(storedLicense()).map(([name, text]) => [name, Buffer.from(text)]));
  const storage = {
    read: (name) => files.get(name) ?? null,
    write: (name, content) => files.set(name, content),
    remove: (name) => files.delete(name),
  };
  assert.equal(openLicense(undefined, { storage, folder: undefined }).state().name, "Expired");
  assert.match(Buffer.from(files.get("clock.json")).toString(), /"last_seen":1768741201/);
  assert.deepEqual(readdirSync(folder), []);
});

test("a license file can be text or bytes", () => {
  const [{ steps }] = readConformance("scenarios/offline.json");
  const { file } = steps.find((step) => step.do === "import_license_file");
  mock.method(Date, "now", () => 1_768_478_400_000);
  try {
    for (const content of [file, `\uFEFF${file}`, Buffer.from(file), Buffer.from(`\uFEFF${file}`)]) {
      rmSync(join(folder, "token.json"), { force: true });
      assert.equal(openLicense().importLicenseFile(content).name, "Active");
    }
  } finally {
    mock.restoreAll();
  }
  assert.throws(() => openLicense().importLicenseFile(Uint8Array.of(255)), { code: "license_file_invalid" });
});

test("features and limits are those of the token", () => {
  storeLicense();
  mock.method(Date, "now", () => 1_768_478_400_000);
  try {
    const license = openLicense();
    assert.deepEqual([license.has("export.pdf"), license.has("other")], [true, false]);
    assert.deepEqual(
      ["export.rows", "projects", "seats", "toString"].map((name) => license.limit(name)),
      [1000, Infinity, 0, 0],
    );
  } finally {
    mock.restoreAll();
  }
});

test("the version in the user agent is that of the package", async () => {
  assert.match(openLicense().diagnose(), new RegExp(`^client: signet-client-node ${version},`));
});

function withResolvers() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}
