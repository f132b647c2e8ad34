// Runs the README's Node lines against folders of test vectors, as tests/vectors/README.md describes them.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { UnknownKey, Verifier } from "./verify.mjs";

let [passed, failed] = [0, 0];

async function expect({ name, accept, unknown_key }, attempt) {
  const problem = await attempt().then(() => null, (error) => error);
  if ((problem === null) === accept && (unknown_key === undefined || problem instanceof UnknownKey === unknown_key)) return void passed++;
  failed++;
  console.error(`node: ${name}: ${problem ?? "accepted"}`);
}

function same(name, found, wanted) {
  if (found === wanted) return void passed++;
  failed++;
  console.error(`node: ${name}: ${found} lies on disk, not ${wanted}`);
}

async function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), "vectors-"));
  try { await use(folder, (name, text) => writeFileSync(join(folder, name), text)); } finally { rmSync(folder, { recursive: true }); }
}

for (const vectors of process.argv.slice(2)) {
  const read = (name) => JSON.parse(readFileSync(join(vectors, name), "utf8"));
  const issuer = read("issuer.json");
  for (const one of read("tokens.json")) {
    const { token, machine_id = issuer.machine_id, now = issuer.now, last_seen, seen_after } = one;
    await inFolder(async (folder, write) => {
      write("jwks.jwt", one.signed_jwks ?? issuer.signed_jwks);
      if (last_seen !== undefined) write("last-seen", String(last_seen));
      const app = new Verifier(issuer, folder);
      await expect(one, () => app.check(token, machine_id, now));
      if (machine_id === null) await expect(one, () => app.check(token, undefined, now));
      if (seen_after !== undefined) same(one.name, app.read("last-seen"), String(seen_after));
    });
  }
  for (const one of read("sets.json")) {
    await inFolder(async (folder, write) => {
      if (one.kept !== undefined) write("jwks.jwt", one.kept);
      const app = new Verifier(issuer, folder);
      await expect(one, () => app.keep(one.set, issuer.now));
      same(one.name, app.read("jwks.jwt"), one.accept ? one.set : one.kept ?? "");
    });
  }
  for (const { name, app_key, encrypted, token } of read("encrypted.json")) {
    await expect({ name: `encrypted: ${name}`, accept: true }, async () => {
      if (await new Verifier(issuer, "").open(encrypted, app_key) !== token) throw new Error("another token is in it");
    });
  }
}

// What no file of vectors can say: the last time seen can't be read, nor written; no set is on disk; the time has a fraction.
const [vectors] = process.argv.slice(2);
const [issuer, [plain]] = ["issuer", "tokens"].map((name) => JSON.parse(readFileSync(join(vectors, `${name}.json`), "utf8")));
await inFolder(async (folder, write) => {
  const app = new Verifier(issuer, folder);
  const check = (now = issuer.now) => app.check(plain.token, issuer.machine_id, now);
  await expect({ name: "no set", accept: false, unknown_key: true }, () => check());
  write("jwks.jwt", issuer.signed_jwks);
  await expect({ name: "a fraction", accept: true }, () => check(issuer.now + 0.5));
  same("a fraction", app.read("last-seen"), String(issuer.now));
  await expect({ name: "no time", accept: false }, () => check(NaN));
  rmSync(join(folder, "last-seen"));
  mkdirSync(join(folder, "last-seen"));
  await expect({ name: "a folder for a file", accept: true }, () => check());
  same("what is left", readdirSync(folder).sort().join(), "jwks.jwt,last-seen");
});

// Four processes share a folder.
await inFolder(async (folder, write) => {
  write("jwks.jwt", issuer.signed_jwks);
  const beside = () => promisify(execFile)(process.execPath, ["beside.mjs", vectors, folder]);
  for (const { reason } of await Promise.allSettled([1, 2, 3, 4].map(beside))) same("side by side", reason, undefined);
  same("side by side", readdirSync(folder).sort().join(), "jwks.jwt,last-seen,token");
});

console.log(`node: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
