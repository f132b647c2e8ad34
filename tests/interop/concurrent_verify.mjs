// Verifies a token 200 times, as one of several processes that share a directory: concurrent_verify.mjs VECTORS DIR
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Verifier } from "../node/verifier.mjs";

const [vectors, folder] = process.argv.slice(2);
const [issuer, [{ token }]] = ["issuer", "tokens"].map((name) => JSON.parse(readFileSync(join(vectors, `${name}.json`), "utf8")));
const verifier = new Verifier(issuer, folder);
for (let i = 0; i < 200; i++) {
  // Within the leeway: the other processes may be ahead or behind.
  await verifier.verify(token, issuer.machine_id, issuer.now + (i % 50));
  await verifier.storeKeySet(issuer.signed_jwks, issuer.now);
  await verifier.storeToken(token);
}
