// Prints what a handle costs: the median time of `open`, and the resident memory that an idle handle adds.
//
// Usage: node --expose-gc size.mjs CONFORMANCE_DIR
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const OPENS = 101;
const PROCESSES = 5;
/** When the stored token was signed. */
const TOKEN_TIME_MS = 1_768_478_400_000;
const [, , conformance, mode] = process.argv;
const { machine_id: machineId, ...config } = JSON.parse(readFileSync(join(conformance, "config.json"), "utf8"));
// Nothing listens there, so that no request leaves the machine.
const appConfig = { ...config, api_url: "http://127.0.0.1:9" };

if (mode === undefined) {
  const idle = Array.from({ length: PROCESSES }, () => measureInProcess("idle"));
  console.log(JSON.stringify({ open_ms: measureInProcess("open"), idle_bytes: median(idle) }));
} else {
  const folder = storeLicense();
  Date.now = () => TOKEN_TIME_MS;
  console.log(await (mode === "open" ? openTime(folder) : idleMemory(folder)));
  rmSync(folder, { recursive: true });
}

function measureInProcess(what) {
  const program = [...process.execArgv, fileURLToPath(import.meta.url), conformance, what];
  return Number(execFileSync(process.execPath, program, { encoding: "utf8" }));
}

/** Returns the median milliseconds of `open`. Each call reads and verifies the stored token and key set. */
async function openTime(folder) {
  const { open } = await import("signet-client");
  const times = [];
  for (let i = 0; i < OPENS; i++) {
    const start = performance.now();
    const license = open(appConfig, { folder, machineId });
    times.push(performance.now() - start);
    if (!license.state().mayRun) throw new Error("the stored token was not accepted");
    await license.close();
  }
  return Number(median(times).toFixed(2));
}

/** Returns the bytes that the library and an idle handle add to the process. */
async function idleMemory(folder) {
  const before = await residentMemory();
  const { open } = await import("signet-client");
  const license = open(appConfig, { folder, machineId });
  const after = await residentMemory();
  await license.close();
  return after - before;
}

async function residentMemory() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await sleep(50);
  }
  return process.memoryUsage.rss();
}

function storeLicense() {
  const folder = mkdtempSync(join(tmpdir(), "signet-size-"));
  const scenarios = JSON.parse(readFileSync(join(conformance, "scenarios", "states.json"), "utf8"));
  const { storage } = scenarios.find(({ name }) => name.startsWith("a stored token is active"));
  for (const [name, text] of Object.entries(storage)) writeFileSync(join(folder, name), text);
  return folder;
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
