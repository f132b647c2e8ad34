// Servers on loopback, on ports that the system picks.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { testFile } from "./fixtures.mjs";

/** Starts an HTTP server. Returns its URL, the requests that it got, and a function that ends it. */
export function startServer(respond) {
  return listen(http.createServer(recording(respond)), "http");
}

/** Starts a TLS server with a certificate that the CA in `tls/ca.pem` signed for `localhost` and 127.0.0.1. */
export function startTlsServer(respond) {
  const options = { key: readFileSync(testFile("tls/server-key.pem")), cert: readFileSync(testFile("tls/server.pem")) };
  return listen(https.createServer(options, recording(respond)), "https");
}

/** Starts a proxy for CONNECT and for whole URLs. `connects` has the targets of tunnels, `requests` everything else. */
export async function startProxy({ credentials } = {}) {
  const connects = [];
  const isAllowed = (request) => {
    const expected = credentials && `Basic ${Buffer.from(credentials).toString("base64")}`;
    return credentials === undefined || request.headers["proxy-authorization"] === expected;
  };
  const forward = (request, response) => {
    if (!isAllowed(request)) return response.writeHead(407).end();
    const { "proxy-authorization": _, ...headers } = request.headers;
    const upstream = http.request(request.url, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(upstream);
  };
  const server = http.createServer(recording(forward));
  server.on("connect", (request, socket) => {
    connects.push(request.url);
    if (!isAllowed(request)) return socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    const target = new URL(`http://${request.url}`);
    const upstream = net.connect(target.port, target.hostname, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  return { ...(await listen(server, "http")), connects };
}

function recording(respond) {
  const handler = (request, response) => {
    handler.requests.push(request);
    respond(request, response);
  };
  handler.requests = [];
  return handler;
}

async function listen(server, scheme) {
  const { requests } = server.listeners("request")[0];
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections?.();
  };
  return { url: `${scheme}://127.0.0.1:${server.address().port}`, port: server.address().port, requests, close };
}
