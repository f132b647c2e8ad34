// Converts the OpenAPI document into a Postman collection, which Bruno and other programs import, too: a folder for each tag, and
// variables for the base URL, the credentials, and the ids that responses return.
//
//   node build.mjs DOCUMENT COLLECTION

import fs from "node:fs";
import { promisify } from "node:util";

const [, , documentFile, collectionFile] = process.argv;

// The variable for the id of each resource, by the prefix of the ids.
const IDS = {
  prod: "productId", feat: "featureId", tier: "tierId", cus: "customerId", lic: "licenseId", act: "activationId", key: "apiKeyId",
};
// The values of path parameters without an example.
const PATH_VALUES = { kid: "{{kid}}", file: "integrate.md" };
// The values of optional headers, which the converter disables.
const HEADER_VALUES = { "Idempotency-Key": "{{$guid}}", "If-Match": "*" };
// Runs after each request.
const STORE_IDS = `// Stores the ids, the license key and the license token of a response in variables, which later requests send.
const isJson = pm.response.code < 300 && pm.response.headers.get("Content-Type") === "application/json";
const body = isJson ? pm.response.json() : {};
const names = ${JSON.stringify(IDS)};
for (const resource of [body, body.license, body.activation]) {
  const name = resource && resource.id && names[resource.id.split("_")[0]];
  if (name) pm.collectionVariables.set(name, resource.id);
}
if (body.license_key) pm.collectionVariables.set("licenseKey", body.license_key);
if (body.token) pm.collectionVariables.set("licenseToken", body.token);`;

// The converter invents values where the document has no example: the same ones each time.
Math.random = () => 0;
const { default: converter } = await import("openapi-to-postmanv2");

const document = JSON.parse(fs.readFileSync(documentFile));
document.servers = [{ url: "http://127.0.0.1:8080" }];
const result = await promisify(converter.convertV2)(
  { type: "json", data: document },
  { folderStrategy: "Tags", parametersResolution: "Example", enableOptionalParameters: false },
);
if (!result.result) throw new Error(result.reason);
const collection = result.output[0].data;
collection.item.flatMap((folder) => folder.item).forEach(finish);
collection.event = [{ listen: "test", script: { type: "text/javascript", exec: STORE_IDS.split("\n") } }];
const variables = ["apiKey", "bearerToken", "kid", ...Object.values(IDS), "licenseKey", "licenseToken"];
collection.variable.push(...variables.map((key) => ({ key, value: "" })));
fs.writeFileSync(collectionFile, JSON.stringify(collection, withoutIds, 2) + "\n");

// Replaces the ids and secrets of examples by variables.
function withVariables(text) {
  return text
    .replace(/\b([a-z]+)_01[0-9A-Z]{24}\w*/g, (id, prefix) => (IDS[prefix] ? `{{${IDS[prefix]}}}` : id))
    .replace(/\bATLAS(-[0-9A-Z]{5}){6}/g, "{{licenseKey}}")
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "{{licenseToken}}");
}

function finish(item) {
  const { request } = item;
  // Bruno reads the text of the URL; without it, it adds "http://" before the variable.
  request.url.raw = `{{baseUrl}}/${request.url.path.join("/")}`;
  for (const one of request.url.variable ?? []) one.value = PATH_VALUES[one.key] ?? one.value;
  for (const one of request.header ?? []) one.value = HEADER_VALUES[one.key] ?? one.value;
  // A time in an example will be in the past some day; all of them are optional.
  if (request.body?.raw) request.body.raw = JSON.stringify(JSON.parse(request.body.raw), withoutTimes, 2);
  item.request = JSON.parse(withVariables(JSON.stringify(request)));
  // The examples of errors, and copies of the requests, are four fifths of what the converter writes. /problems explains errors.
  item.response = item.response.filter(({ code }) => code < 300).map(({ originalRequest, ...response }) => response);
}

function withoutTimes(name, value) {
  return name.endsWith("_at") ? undefined : value;
}

// The ids of items are random, and Postman assigns its own.
function withoutIds(name, value) {
  return name === "id" || name === "_postman_id" ? undefined : value;
}
