import assert from "node:assert/strict";
import { test } from "node:test";
import { deriveMachineId } from "../dist/machine-id.js";
import { readConformance } from "./fixtures.mjs";

const { product } = readConformance("config.json");
const PLATFORMS = { linux: "linux", macos: "darwin", windows: "win32" };

for (const { name, system, files, environment, output = "", machine_id: expected } of readConformance("machine-ids.json")) {
  test(`machine id: ${name}`, () => {
    const source = {
      platform: PLATFORMS[system],
      environment,
      exists: (path) => path in files,
      readFile: (path) => files[path] ?? null,
      run: () => output,
    };
    const { id, isEphemeral } = deriveMachineId(product, source);
    assert.equal(isEphemeral, expected === null);
    if (expected === null) assert.match(id, /^ephemeral-[0-9a-f]{32}$/);
    else assert.equal(id, expected);
  });
}
