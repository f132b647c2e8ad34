// Performs commands with the public API: one JSON object per line on standard input, one answer per line on standard output.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { open } from "signet-client";

let license;
let changes = [];

/** Operations whose answer is the state. */
const operations = {
  open: ({ config, options = {} }) => {
    license = open(config, readOptions(options));
    changes = [];
    license.onChange((state) => changes.push(stateAsJson(state)));
  },
  state: () => {},
  activate: ({ license_key }) => license.activate(license_key),
  deactivate: () => license.deactivate(),
  release: () => license.release(),
  close: () => license.close(),
  borrow: ({ until }) => license.borrow(new Date(until * 1000)),
  import_license_file: ({ file }) => license.importLicenseFile(file),
};

/** Operations with a result. */
const queries = {
  offline_request: () => license.offlineRequest(),
  has: ({ feature }) => license.has(feature),
  limit: ({ feature }) => finite(license.limit(feature)),
  diagnose: () => license.diagnose(),
  changes: () => changes.splice(0),
};

async function answer(command) {
  if (queries[command.do]) return { result: queries[command.do](command) };
  const error = await attempt(() => operations[command.do](command));
  return { ...(license && { state: stateAsJson(license.state()) }), ...(error && { error }) };
}

/** Returns the code of the error, or undefined. */
async function attempt(operation) {
  try {
    await operation();
    return undefined;
  } catch (error) {
    return error.code ?? String(error);
  }
}

function readOptions(options) {
  const names = {
    folder: "folder",
    machine_id: "machineId",
    instance_id: "instanceId",
    machine_name: "machineName",
    app_version: "appVersion",
    os: "os",
    hostname: "hostname",
    keep_license_key: "keepLicenseKey",
    proxy: "proxy",
    timeout_seconds: "timeoutSeconds",
  };
  const given = Object.entries(names).filter(([name]) => options[name] != null);
  const result = Object.fromEntries(given.map(([name, option]) => [option, options[name]]));
  return options.ca_file ? { ...result, ca: readFileSync(options.ca_file) } : result;
}

function finite(limit) {
  return limit === Number.POSITIVE_INFINITY ? "unlimited" : limit;
}

function stateAsJson({ name, mayRun: _, ...fields }) {
  const inSeconds = Object.entries(fields).map(([field, value]) => {
    const snakeCase = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [snakeCase, value instanceof Date ? value.getTime() / 1000 : value];
  });
  return { state: name, ...Object.fromEntries(inSeconds) };
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  const command = JSON.parse(line);
  if (command.do === "exit") break;
  process.stdout.write(`${JSON.stringify(await answer(command))}\n`);
}
process.exit(0);
