// Runs the README's Node lines against folders of test vectors, as tests/vectors/README.md describes them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Verifier } from "./verify.mjs";

let [passed, failed] = [0, 0];

async function expect(accept, name, attempt) {
  const problem = await attempt().then(() => null, (error) => error);
  if ((problem === null) === accept) return void passed++;
  failed++;
  console.error(`node: ${name}: ${problem ?? "accepted"}`);
}

async function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), "vectors-"));
  try { await use(folder, (name, text) => writeFileSync(join(folder, name), text)); } finally { rmSync(folder, { recursive: true }); }
}

for (const vectors of process.argv.slice(2)) {
  const read = (name) => JSON.parse(readFileSync(join(vectors, name), "utf8"));
  const issuer = read("issuer.json");
  for (const { name, accept, token, now = issuer.now, last_seen, signed_jwks = issuer.signed_jwks } of read("tokens.json")) {
    await inFolder(async (folder, write) => {
      write("jwks.jwt", signed_jwks);
      if (last_seen !== undefined) write("last-seen", String(last_seen));
      await expect(accept, name, () => new Verifier(issuer, folder).check(token, issuer.machine_id, now));
    });
  }
  for (const { name, accept, set, kept } of read("sets.json")) {
    await inFolder(async (folder, write) => {
      if (kept !== undefined) write("jwks.jwt", kept);
      await expect(accept, name, () => new Verifier(issuer, folder).keep(set, issuer.now));
    });
  }
  for (const { name, app_key, encrypted, token } of read("encrypted.json")) {
    await expect(true, `encrypted: ${name}`, async () => {
      if (await new Verifier(issuer, "").open(encrypted, app_key) !== token) throw new Error("another token is in it");
    });
  }
}

console.log(`node: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
