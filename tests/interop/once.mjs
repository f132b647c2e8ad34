// Does one thing with the README's app in Node, started anew: once.mjs APP.json METHOD. Prints what came back.
import { readFileSync } from "node:fs";
import { App } from "./app.mjs";

const [file, method] = process.argv.slice(2);
const given = JSON.parse(readFileSync(file, "utf8"));
const app = new App(given.built_in, given.folder, given.machine_id, given.license_key);
console.log(JSON.stringify(await app[method]() ?? null));
