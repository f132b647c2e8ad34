// Tests the collection: it has every operation of the OpenAPI document, and the requests that sell a license and use it succeed
// one after another against a running installation, with the variables that the collection sets itself.
//
//   SIGNET_URL=… SIGNET_API_KEY=… node run.mjs DOCUMENT COLLECTION

import assert from "node:assert/strict";
import fs from "node:fs";
import { promisify } from "node:util";
import newman from "newman";

const [document, collection] = process.argv.slice(2).map((file) => JSON.parse(fs.readFileSync(file)));
const METHODS = ["get", "post", "put", "patch", "delete"];
const SALE = [
  "create_product", "create_product_feature", "create_pricing_tier", "create_customer", "issue_license_key", "activate_machine", "send_heartbeat",
  "validate_license", "get_activation", "change_license_key", "get_license_key", "update_license_key", "deactivate_activation",
];

const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method]).map((method) => ({ key: `${method.toUpperCase()} ${path}`, ...item[method] })));
const requests = collection.item.flatMap((folder) => folder.item.map((item) => ({ tag: folder.name, ...item })));
const key = ({ method, url }) => `${method} /${url.path.join("/").replace(/:(\w+)/g, "{$1}")}`;
assert.deepEqual(
  requests.map((one) => `${one.tag}: ${key(one.request)}`).sort(),
  operations.map((one) => `${one.tags[0]}: ${one.key}`).sort(),
);

const request = (operationId) => {
  const operation = operations.find((one) => one.operationId === operationId);
  return requests.find((one) => key(one.request) === operation.key);
};
const { run } = await promisify(newman.run)({
  collection: { ...collection, item: SALE.map(request) },
  envVar: [{ key: "baseUrl", value: process.env.SIGNET_URL }, { key: "apiKey", value: process.env.SIGNET_API_KEY }],
});
const statuses = run.executions.map(({ item, response }) => `${item.name}: ${response?.code} ${response?.stream}`);
assert.equal(statuses.length, SALE.length);
assert.deepEqual(statuses.filter((status) => !/: 20[01] /.test(status)), []);
assert.deepEqual(run.failures.map(({ error }) => error.message), []);
console.log(`collection: ok: ${requests.length} requests, ${SALE.length} of them sent`);
