import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import { afterEach, test } from "node:test";
import { HttpTransport } from "../dist/http-transport.js";
import { testFile } from "./fixtures.mjs";
import { startProxy, startServer, startTlsServer } from "./servers.mjs";

const CA = readFileSync(testFile("tls/ca.pem"), "utf8");
const PROXY_VARIABLES = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);
for (const name of PROXY_VARIABLES) delete process.env[name];

const cleanups = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  for (const name of PROXY_VARIABLES) delete process.env[name];
});

/** Starts something that ends with the test. */
async function use(starting) {
  const started = await starting;
  cleanups.push(started.close);
  return started;
}

function transport(apiUrl, options = {}) {
  return new HttpTransport({
    apiUrl,
    proxy: null,
    ca: [],
    userAgent: "signet-client-node/test",
    connectTimeoutSeconds: 10,
    timeoutSeconds: 30,
    ...options,
  });
}

const get = { method: "GET", path: "/.well-known/jwks.jwt", isBackground: false };
const hello = (_, response) => response.end("hello");

test("a request has a JSON body and a user agent, and returns status, headers and body", async () => {
  let received;
  const server = await use(
    startServer((request, response) => {
      request.on("data", (chunk) => {
        received = JSON.parse(chunk);
      });
      request.on("end", () => response.writeHead(409, { "Content-Type": "application/problem+json" }).end("{}"));
    }),
  );
  const response = await transport(`${server.url}/base`).send({ ...get, method: "POST", path: "/x", body: { a: "ü" } });
  const [request] = server.requests;
  assert.deepEqual(received, { a: "ü" });
  assert.equal(request.url, "/base/x");
  assert.equal(request.headers["content-type"], "application/json");
  assert.equal(request.headers["user-agent"], "signet-client-node/test");
  assert.deepEqual([response.status, response.headers["content-type"], response.body], [409, "application/problem+json", "{}"]);
});

test("a redirect is not followed", async () => {
  const server = await use(startServer((_, response) => response.writeHead(302, { Location: "/other" }).end()));
  assert.equal((await transport(server.url).send(get)).status, 302);
  assert.equal(server.requests.length, 1);
});

test("a body of 1 MB is read, and a longer one is an error", async () => {
  let length = 1_000_000;
  const server = await use(startServer((_, response) => response.end("x".repeat(length))));
  assert.equal((await transport(server.url).send(get)).body.length, length);
  length += 1;
  await assert.rejects(transport(server.url).send(get), { message: "the response is longer than 1 MB" });
});

test("a response that is cut off is an error", async () => {
  const server = await use(
    startServer((_, response) => {
      response.writeHead(200, { "Content-Length": 100 });
      response.write("part", () => response.destroy());
    }),
  );
  await assert.rejects(transport(server.url).send(get));
});

test("a slow server is an error after the time-out", async () => {
  const server = await use(startServer((_, response) => response.writeHead(200).write("part")));
  await assert.rejects(transport(server.url, { timeoutSeconds: 0.2 }).send(get), { message: "no response within 0.2 s" });
  const silent = await use(startServer(() => {}));
  await assert.rejects(transport(silent.url).send({ ...get, timeoutSeconds: 0.2 }), { message: "no response within 0.2 s" });
});

test("a connection that is not secured in time is an error", async () => {
  const server = net.createServer(() => {});
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  const url = `https://127.0.0.1:${server.address().port}`;
  server.on("connection", (socket) => cleanups.push(() => socket.destroy()));
  await assert.rejects(transport(url, { connectTimeoutSeconds: 0.2 }).send(get), { message: "no connection within 0.2 s" });
});

test("a request that is cancelled ends at once", async () => {
  const server = await use(startServer(() => controller.abort()));
  const controller = new AbortController();
  await assert.rejects(transport(server.url).send({ ...get, signal: controller.signal }));
  await assert.rejects(transport(server.url).send({ ...get, signal: controller.signal }));
  assert.equal(server.requests.length, 1);
});

test("a refused connection and an unknown host are errors in the words of Node", async () => {
  const server = await startServer(hello);
  server.close();
  await assert.rejects(transport(server.url).send(get), {
    message: `connect ECONNREFUSED 127.0.0.1:${server.port}`,
    code: "ECONNREFUSED",
  });
  await assert.rejects(transport("https://host.invalid").send(get), {
    message: /^getaddrinfo (ENOTFOUND|EAI_AGAIN) host.invalid$/,
  });
});

test("a certificate of an unknown authority is an error, and an extra authority is trusted", async () => {
  const server = await use(startTlsServer(hello));
  await assert.rejects(transport(server.url).send(get), {
    message: "unable to verify the first certificate (UNABLE_TO_VERIFY_LEAF_SIGNATURE)",
  });
  assert.equal((await transport(server.url, { ca: [CA] }).send(get)).body, "hello");
  const byName = server.url.replace("127.0.0.1", "localhost");
  assert.equal((await transport(byName, { ca: [CA] }).send(get)).body, "hello");
});

test("extra certificates that are no PEM are an error of the request", async () => {
  const server = await use(startTlsServer(hello));
  await assert.rejects(transport(server.url, { ca: ["-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"] }).send(get));
});

test("a proxy gets a CONNECT for https, and its certificate check is that of the target", async () => {
  const server = await use(startTlsServer(hello));
  const proxy = await use(startProxy());
  assert.equal((await transport(server.url, { ca: [CA], proxy: proxy.url }).send(get)).body, "hello");
  assert.deepEqual(proxy.connects, [`127.0.0.1:${server.port}`]);
  assert.equal(proxy.requests.length, 0);
  await assert.rejects(transport(server.url, { proxy: proxy.url }).send(get), { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
});

test("a proxy gets the whole URL for http", async () => {
  const server = await use(startServer(hello));
  const proxy = await use(startProxy());
  assert.equal((await transport(server.url, { proxy: proxy.url }).send(get)).body, "hello");
  assert.equal(proxy.requests[0].url, `${server.url}${get.path}`);
  assert.equal(server.requests[0].headers.host, `127.0.0.1:${server.port}`);
});

test("a proxy gets the user name and the password of its URL, and its refusal has no secrets", async () => {
  const server = await use(startTlsServer(hello));
  const proxy = await use(startProxy({ credentials: "ada:pässword" }));
  const withCredentials = proxy.url.replace("//", "//ada:p%C3%A4ssword@");
  assert.equal((await transport(server.url, { ca: [CA], proxy: withCredentials }).send(get)).body, "hello");
  await assert.rejects(transport(server.url, { ca: [CA], proxy: proxy.url }).send(get), {
    message: "the proxy answered with status 407",
  });
});

test("the time-out to connect includes the proxy", async () => {
  const silent = net.createServer((socket) => cleanups.push(() => socket.destroy()));
  await new Promise((resolve) => silent.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => silent.close());
  const proxy = `http://127.0.0.1:${silent.address().port}`;
  const subject = transport("https://127.0.0.1:9", { proxy, connectTimeoutSeconds: 0.2 });
  await assert.rejects(subject.send(get), { message: "no connection within 0.2 s" });
});

for (const change of [(name) => name, (name) => name.toUpperCase()]) {
  test(`the proxy is that of ${change("https_proxy")}, but not for a loopback host`, async () => {
    const [secure, proxy] = [await use(startTlsServer(hello)), await use(startProxy({ credentials: "ada:password" }))];
    process.env[change("https_proxy")] = proxy.url;
    await assert.rejects(transport("https://licenses.example.com").send(get), { message: "the proxy answered with status 407" });
    assert.equal((await transport(secure.url, { ca: [CA] }).send(get)).body, "hello");
    assert.deepEqual(proxy.connects, ["licenses.example.com:443"]);
  });
}

test("a proxy URL of the environment that is not valid is an error of the request, without the password in it", async () => {
  process.env.https_proxy = "http://ada:password@";
  const message = "the URL of the proxy in the environment is not valid";
  await assert.rejects(transport("https://licenses.example.com").send(get), { message });
});
