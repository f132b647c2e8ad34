import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, mock, test } from "node:test";
import { promisify } from "node:util";
import { FileStorage } from "../dist/file-storage.js";
import { replaceFile } from "../dist/replace-file.js";
import { StorageCache } from "../dist/storage-cache.js";
import { testFile } from "./fixtures.mjs";

let parent;
let folder;
let storage;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "signet-"));
  folder = join(parent, "signet", "atlas");
  storage = new FileStorage(folder);
});
afterEach(() => rmSync(parent, { recursive: true }));

const bytes = (text) => new TextEncoder().encode(text);

test("a file is written and read, and a missing one is null", () => {
  assert.equal(storage.read("token.json"), null);
  storage.write("token.json", bytes("first"));
  storage.write("token.json", bytes("second"));
  assert.equal(Buffer.from(storage.read("token.json")).toString(), "second");
  storage.remove("token.json");
  storage.remove("token.json");
  assert.equal(storage.read("token.json"), null);
});

test("the folder has mode 0700, and a file 0600", { skip: process.platform === "win32" }, () => {
  storage.write("license-key", bytes("secret"));
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, "license-key")).mode & 0o777, 0o600);
});

test("a file with a wider mode is replaced by one with 0600", { skip: process.platform === "win32" }, () => {
  storage.write("license-key", bytes("secret"));
  chmodSync(join(folder, "license-key"), 0o644);
  storage.write("license-key", bytes("secret"));
  assert.equal(statSync(join(folder, "license-key")).mode & 0o777, 0o600);
});

test("a write that fails leaves the former content and no temporary file", () => {
  mkdirSync(join(folder, "token.json"), { recursive: true });
  writeFileSync(join(folder, "token.json", "file"), "");
  assert.throws(() => storage.write("token.json", bytes("new")));
  assert.deepEqual(readdirSync(folder), ["token.json"]);
});

/** A function that fails with these codes, one at each call, and then succeeds. */
function failingRename(codes) {
  return mock.fn(() => {
    const code = codes.shift();
    if (code !== undefined) throw Object.assign(new Error(code), { code });
  });
}

test("a rename is tried up to 20 times on Windows while another program has opened the file", () => {
  const busy = failingRename(["EPERM", "EBUSY", "EACCES"]);
  replaceFile("new", "token.json", "win32", busy);
  assert.equal(busy.mock.callCount(), 4);

  const locked = failingRename(Array(30).fill("EPERM"));
  assert.throws(() => replaceFile("new", "token.json", "win32", locked), { code: "EPERM" });
  assert.equal(locked.mock.callCount(), 20);
});

test("a rename that fails otherwise, or on another system, is tried once", () => {
  for (const [platform, code] of [
    ["win32", "ENOSPC"],
    ["linux", "EPERM"],
  ]) {
    const rename = failingRename([code, code]);
    assert.throws(() => replaceFile("new", "token.json", platform, rename), { code });
    assert.equal(rename.mock.callCount(), 1);
  }
});

test("a reader never sees a part of a file while another process replaces it", async () => {
  const program = `
    const { FileStorage } = require(${JSON.stringify(testFile("../dist/file-storage.js"))});
    const storage = new FileStorage(${JSON.stringify(folder)});
    for (let i = 0; i < 300; i++) storage.write("token.json", Buffer.alloc(200_000, "ab"[i % 2]));`;
  storage.write("token.json", Buffer.alloc(200_000, "a"));
  const writer = promisify(execFile)(process.execPath, ["-e", program]);
  let isRunning = true;
  const end = writer.finally(() => {
    isRunning = false;
  });
  while (isRunning) {
    const content = readFileSync(join(folder, "token.json"));
    assert.equal(content.length, 200_000);
    assert.ok(content.every((byte) => byte === content[0]));
    await new Promise(setImmediate);
  }
  await end;
});

test("what cannot be written is kept in memory, and not read from the storage any more", () => {
  const files = new StorageCache(new FileStorage(join(parent, "file", "below")), []);
  writeFileSync(join(parent, "file"), "no folder");
  assert.equal(files.read("token.json"), null);
  files.write("token.json", "text");
  assert.equal(files.read("token.json"), "text");
  rmSync(join(parent, "file"));
  new FileStorage(join(parent, "file", "below")).write("token.json", bytes("of another process"));
  assert.equal(files.read("token.json"), "text");
  assert.deepEqual(files.unwritableNames, ["token.json"]);
});
