// Checks a token 200 times, as one of several processes that share a folder: beside.mjs VECTORS FOLDER
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Verifier } from "./verify.mjs";

const [vectors, folder] = process.argv.slice(2);
const [issuer, [{ token }]] = ["issuer", "tokens"].map((name) => JSON.parse(readFileSync(join(vectors, `${name}.json`), "utf8")));
const app = new Verifier(issuer, folder);
for (let i = 0; i < 200; i++) {
  // Within what clocks may differ by: the others may be ahead, or behind.
  await app.check(token, issuer.machine_id, issuer.now + (i % 50));
  await app.keep(issuer.signed_jwks, issuer.now);
  await app.renewed(token);
}
