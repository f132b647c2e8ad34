import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The folder of the conformance suite. `check.sh` sets it, because the tests run in a copy of this folder. */
const conformance = process.env.CONFORMANCE_DIR
  ? pathToFileURL(`${process.env.CONFORMANCE_DIR}/`)
  : new URL("../../conformance/", import.meta.url);

/** Names of the files with scenarios. */
export const SCENARIO_FILES = readdirSync(new URL("scenarios/", conformance)).map((name) => name.replace(".json", ""));

/** Returns a parsed file of the conformance suite. */
export function readConformance(name) {
  return JSON.parse(readFileSync(new URL(name, conformance), "utf8"));
}

/** Returns the path of a file in the folder of the tests. */
export function testFile(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Returns what the conformance suite stores for an activated machine: names and texts. */
export function storedLicense() {
  return readConformance("scenarios/states.json").find(({ name }) => name.startsWith("a stored token is active")).storage;
}
