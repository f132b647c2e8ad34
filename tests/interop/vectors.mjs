// Runs the Node verifier against directories of test vectors, which tests/vectors/README.md describes.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { UnknownKeyError, VerificationError, Verifier } from "../node/verifier.mjs";

let [passed, failed] = [0, 0];

async function expectOutcome({ name, accept, unknown_key }, attempt) {
  const error = await attempt().then(() => null, (error) => error);
  const typed = error === null || error instanceof VerificationError;
  const unknownKey = error instanceof UnknownKeyError;
  if ((error === null) === accept && typed && (unknown_key ?? unknownKey) === unknownKey) return void passed++;
  failed++;
  console.error(`node: ${name}: ${error ?? "accepted"}`);
}

function expectEqual(name, found, expected) {
  if (found === expected) return void passed++;
  failed++;
  console.error(`node: ${name}: expected ${expected}, found ${found}`);
}

async function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), "vectors-"));
  const file = (name) => join(folder, name);
  const read = (name) => { try { return readFileSync(file(name), "utf8"); } catch { return ""; } };
  try { await use(folder, (name, text) => writeFileSync(file(name), text), read); } finally { rmSync(folder, { recursive: true }); }
}

for (const vectors of process.argv.slice(2)) {
  const parse = (name) => JSON.parse(readFileSync(join(vectors, name), "utf8"));
  const issuer = parse("issuer.json");
  for (const vector of parse("tokens.json")) {
    const { token, machine_id = issuer.machine_id, now = issuer.now, last_seen, seen_after } = vector;
    await inFolder(async (folder, write, read) => {
      write("jwks.jwt", vector.signed_jwks ?? issuer.signed_jwks);
      if (last_seen !== undefined) write("last-seen", String(last_seen));
      const verifier = new Verifier(issuer, folder);
      await expectOutcome(vector, () => verifier.verify(token, machine_id, now));
      if (machine_id === null) await expectOutcome(vector, () => verifier.verify(token, undefined, now));
      if (seen_after !== undefined) expectEqual(vector.name, read("last-seen"), String(seen_after));
    });
  }
  for (const vector of parse("sets.json")) {
    await inFolder(async (folder, write, read) => {
      if (vector.stored !== undefined) write("jwks.jwt", vector.stored);
      const verifier = new Verifier(issuer, folder);
      await expectOutcome(vector, () => verifier.storeKeySet(vector.set, issuer.now));
      expectEqual(vector.name, read("jwks.jwt"), vector.accept ? vector.set : vector.stored ?? "");
    });
  }
  for (const vector of parse("license-files.json")) {
    const { name, accept, file, now = issuer.now, signed_jwks, imported, last_seen, seen_after, verify = [] } = vector;
    const { machine_id } = issuer;
    await inFolder(async (folder, write, read) => {
      if (signed_jwks !== undefined) write("jwks.jwt", signed_jwks);
      const verifier = new Verifier(issuer, folder);
      if (imported !== undefined) await verifier.importLicenseFile(imported, machine_id, now);
      if (last_seen !== undefined) write("last-seen", String(last_seen));
      const token = accept ? JSON.parse(file).token : verifier.storedToken();
      await expectOutcome(vector, () => verifier.importLicenseFile(file, machine_id, now));
      if (seen_after !== undefined) expectEqual(name, read("last-seen"), String(seen_after));
      expectEqual(`${name}: key set`, read("jwks.jwt"), signed_jwks ?? "");
      expectEqual(`${name}: stored token`, verifier.storedToken(), token);
      for (const later of accept ? [{ accept }, ...verify] : []) {
        const attempt = () => verifier.verify(later.token ?? token, machine_id, later.now ?? now);
        await expectOutcome({ ...later, name: `${name}: verify at ${later.now ?? now}` }, attempt);
      }
    });
  }
  for (const { name, app_key, encrypted, token } of parse("encrypted.json")) {
    await expectOutcome({ name: `encrypted: ${name}`, accept: true }, async () => {
      if (await Verifier.decrypt(encrypted, app_key) !== token) throw new Error("decrypted another token");
    });
  }
}

// Cases that the files cannot express: no key set, a time with a fraction, and a stored time that cannot be read or written.
const [vectors] = process.argv.slice(2);
const [issuer, [{ token }]] = ["issuer", "tokens"].map((name) => JSON.parse(readFileSync(join(vectors, `${name}.json`), "utf8")));
await inFolder(async (folder, write, read) => {
  const verifier = new Verifier(issuer, folder);
  const verify = (now = issuer.now) => verifier.verify(token, issuer.machine_id, now);
  await expectOutcome({ name: "no key set", accept: false, unknown_key: true }, () => verify());
  write("jwks.jwt", issuer.signed_jwks);
  await expectOutcome({ name: "time with a fraction", accept: true }, () => verify(issuer.now + 0.5));
  expectEqual("time with a fraction", read("last-seen"), String(issuer.now));
  await expectOutcome({ name: "time is not a number", accept: false }, () => verify(NaN));
  rmSync(join(folder, "last-seen"));
  mkdirSync(join(folder, "last-seen"));
  await expectOutcome({ name: "last-seen is a directory", accept: true }, () => verify());
  expectEqual("files", readdirSync(folder).sort().join(), "jwks.jwt,last-seen");
});

// Refusals.
await inFolder(async (folder, write, read) => {
  const verifier = new Verifier(issuer, folder);
  write("jwks.jwt", issuer.signed_jwks);
  expectEqual("no token", verifier.storedToken(), null);
  await verifier.storeToken(token, verifier.storedRefusal());
  expectEqual("stored token", verifier.storedToken(), token);
  verifier.storeRefusal("revoked");
  expectEqual("refusal", verifier.storedRefusal().code, "revoked");
  expectEqual("token after a refusal", read("token"), "");
  await verifier.storeToken(token, null);
  expectEqual("token requested before the refusal", verifier.storedToken(), null);
  const first = verifier.storedRefusal();
  await verifier.storeToken(token, first);
  expectEqual("token requested after the refusal", verifier.storedToken(), token);
  verifier.storeRefusal("revoked");
  await verifier.storeToken(token, first);
  expectEqual("token requested before the second refusal", verifier.storedToken(), null);
  rmSync(join(folder, "refusal"));
  mkdirSync(join(folder, "refusal"));
  await verifier.storeToken(token);
  verifier.storeRefusal("revoked");
  expectEqual("token after a refusal that could not be written", verifier.storedToken(), null);
  rmdirSync(join(folder, "refusal"));
  expectEqual("files after refusals", readdirSync(folder).sort().join(), "jwks.jwt,last-seen");
});

// License files after refusals.
await inFolder(async (folder) => {
  const verifier = new Verifier(issuer, folder);
  const [{ file }] = JSON.parse(readFileSync(join(vectors, "license-files.json"), "utf8"));
  const importFile = (name, accept) =>
    expectOutcome({ name, accept }, () => verifier.importLicenseFile(file, issuer.machine_id, issuer.now));
  verifier.storeRefusal("expired");
  await importFile("license file imported after a refusal", true);
  await importFile("license file imported again", true);
  verifier.storeRefusal("revoked");
  await importFile("license file imported again after a refusal", false);
  expectEqual("token of a refused license file", verifier.storedToken(), null);
});

// Four processes share a directory.
await inFolder(async (folder, write) => {
  write("jwks.jwt", issuer.signed_jwks);
  const run = () => promisify(execFile)(process.execPath, ["concurrent_verify.mjs", vectors, folder]);
  for (const { reason } of await Promise.allSettled([1, 2, 3, 4].map(run))) expectEqual("concurrent", reason, undefined);
  expectEqual("concurrent", readdirSync(folder).sort().join(), "jwks.jwt,last-seen,token");
});

console.log(`node: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
