// An app with a license. Reads `signet-app.json` in the working directory.
//
// Usage: node atlas.mjs status | activate KEY | run | offline-request | import FILE | deactivate | diagnose
//
// MACHINE_ID replaces the id of the machine, for example in a container that keeps its files.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { open, SignetError } from "signet-client";

const WORK_MS = 1_000;
const REFUSALS = {
  seat_limit_reached: "All seats are in use.",
  wrong_product: "This license key is for another product.",
};

const commands = {
  status: (license) => explain(license.state()),
  activate: async (license, key) => explain(await license.activate(key ?? "")),
  run,
  "offline-request": (license) => license.offlineRequest(),
  import: (license, file) => explain(license.importLicenseFile(readFileSync(file))),
  deactivate: async (license) => explain(await license.deactivate()),
  diagnose: (license) => license.diagnose(),
};

/** Works until it is interrupted, or until the license ends. */
async function run(license) {
  license.onChange((state) => console.log(explain(state)));
  console.log(explain(license.state()));
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => controller.abort());
  while (license.state().mayRun && !controller.signal.aborted) {
    const rows = license.limit("export.rows");
    console.log(license.has("export.pdf") ? `exports PDF files of ${rows} rows` : "exports no PDF files");
    await sleep(WORK_MS, undefined, { signal: controller.signal }).catch(() => {});
  }
  return "stopped";
}

/** Returns what the user reads. */
function explain(state) {
  switch (state.name) {
    case "Active":
      return state.inGrace ? `Renew your license before ${day(state.graceEndsAt)}.` : "Your license is active.";
    case "Offline":
      return `Connect to the internet before ${day(state.until)} (${state.reason}).`;
    case "Expired":
      return `Connect to the internet: the license could not be renewed since ${day(state.since)}.`;
    case "Unactivated":
      if (!state.hasLicenseKey) return "Enter a license key.";
      return state.reason === "not_contacted" ? "The license is being activated." : `No connection (${state.reason}).`;
    case "ClockTampered":
      return "Set the clock of this computer, and connect to the internet.";
    case "Refused":
      return REFUSALS[state.code] ?? `The license was refused: ${state.code}.`;
  }
}

function day(date) {
  return date?.toLocaleDateString() ?? "soon";
}

const [name = "status", argument] = process.argv.slice(2);
if (!Object.hasOwn(commands, name)) {
  console.error(`usage: node atlas.mjs ${Object.keys(commands).join(" | ")}`);
  process.exit(2);
}
const { MACHINE_ID: machineId } = process.env;
const license = open(readFileSync("signet-app.json", "utf8"), { appVersion: "1.0.0", ...(machineId && { machineId }) });
try {
  console.log(await commands[name](license, argument));
} catch (error) {
  console.error(error instanceof SignetError ? `${explain(license.state())} (${error.code}: ${error.message})` : error.message);
  process.exitCode = 1;
} finally {
  await license.close();
}
