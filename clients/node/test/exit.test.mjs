// Tests that the background task does not keep a process running.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { readConformance, storedLicense, testFile } from "./fixtures.mjs";
import { startServer } from "./servers.mjs";

const MAX_EXIT_MS = 5_000;
const { machine_id: machineId, ...config } = readConformance("config.json");

let folder;
const cleanups = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signet-"));
  for (const [name, text] of Object.entries(storedLicense())) writeFileSync(join(folder, name), text);
});
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  rmSync(folder, { recursive: true });
});

/** Starts a program that opens the stored license, whose heartbeat is due, and then runs `code`. */
function startProgram(apiUrl, code) {
  const options = { folder, machineId };
  const program = `
    const { open } = require("signet-client");
    Math.random = () => 0;
    const license = open(${JSON.stringify({ ...config, api_url: apiUrl })}, ${JSON.stringify(options)});
    ${code}`;
  const child = spawn(process.execPath, ["-e", program], { cwd: testFile("."), stdio: ["pipe", "pipe", "inherit"] });
  cleanups.push(() => child.kill("SIGKILL"));
  return child;
}

/** Waits for a program that has nothing to do any more, and checks that it ends at once. */
async function assertExits(child, exited = once(child, "exit")) {
  const start = Date.now();
  const [status] = await exited;
  assert.equal(status, 0);
  assert.ok(Date.now() - start < MAX_EXIT_MS);
}

test("a process ends while the background task waits for the next request", async () => {
  const child = startProgram("http://127.0.0.1:9", `console.log(license.state().name);`);
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  await assertExits(child, exited);
});

test("a process ends while a request of the background task gets no response", async () => {
  const arrived = withResolvers();
  const api = await startServer(() => arrived.resolve());
  cleanups.push(api.close);
  const child = startProgram(api.url, `process.stdin.resume();`);
  await arrived.promise;
  child.stdin.end();
  await assertExits(child);
});

test("a process ends while a proxy does not answer the background task", async () => {
  const arrived = withResolvers();
  const proxy = net.createServer((socket) => {
    cleanups.push(() => socket.destroy());
    socket.once("data", arrived.resolve);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => proxy.close());
  const environment = `process.env.https_proxy = "http://127.0.0.1:${proxy.address().port}"; process.stdin.resume();`;
  const child = startProgram("https://licenses.example.com", environment);
  await arrived.promise;
  child.stdin.end();
  await assertExits(child);
});

test("a process ends while the background task cannot connect", { skip: process.platform !== "linux" }, async () => {
  const url = await startUnreachable();
  const isConnecting = `process.getActiveResourcesInfo().includes("ConnectWrap")`;
  const code = `const timer = setInterval(() => ${isConnecting} && (clearInterval(timer), console.log("connecting")), 10);`;
  const child = startProgram(url, code);
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  await assertExits(child, exited);
});

test("a process that reads its input goes on connecting", { skip: process.platform !== "linux" }, async () => {
  const code = `process.stdin.resume();
    const isConnecting = () => process.getActiveResourcesInfo().includes("ConnectWrap");
    const timer = setInterval(() => {
      if (!isConnecting()) return;
      clearInterval(timer);
      setTimeout(() => console.log(isConnecting()), 700);
    }, 10);`;
  const child = startProgram(await startUnreachable(), code);
  const [output] = await once(child.stdout, "data");
  assert.equal(String(output).trim(), "true");
});

test("an operation of the app keeps the process running until it is done", async () => {
  const api = await startServer((_, response) => {
    const respond = () => response.writeHead(403, { "Content-Type": "application/problem+json" }).end('{"code":"revoked"}');
    setTimeout(respond, 200);
  });
  cleanups.push(api.close);
  const child = startProgram(api.url, `license.activate("KEY").catch(({ code }) => console.log(code));`);
  const [output] = await once(child.stdout, "data");
  assert.equal(String(output).trim(), "revoked");
});

/** Returns the URL of a server that accepts no connection, because its process is stopped and its queue is full. */
async function startUnreachable() {
  const program = `const server = require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    console.log(server.address().port);
  });`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(() => child.kill("SIGKILL"));
  const [output] = await once(child.stdout, "data");
  child.kill("SIGSTOP");
  const port = Number(output);
  for (let i = 0; i < 4; i++) {
    const socket = net.connect(port, "127.0.0.1").on("error", () => {});
    cleanups.push(() => socket.destroy());
    // Connections are accepted until the queue is full.
    await Promise.race([once(socket, "connect"), new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  return `http://127.0.0.1:${port}`;
}

function withResolvers() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}
