import assert from "node:assert/strict";
import { test } from "node:test";
import { findProxy } from "../dist/proxy.js";

const PROXY = "http://proxy.example.com:3128/";
const target = new URL("https://licenses.example.com");

test("the proxy of the environment is that of the scheme, or ALL_PROXY, in either case", () => {
  for (const name of ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]) {
    assert.equal(findProxy(target, null, { [name]: PROXY }).href, PROXY);
  }
  assert.equal(findProxy(target, null, { http_proxy: PROXY }), null);
  assert.equal(findProxy(target, null, { https_proxy: "", HTTPS_PROXY: PROXY }).href, PROXY);
  assert.equal(findProxy(target, null, {}), null);
});

test("a proxy without a scheme is an HTTP proxy, and a SOCKS proxy is not used", () => {
  assert.equal(findProxy(target, null, { https_proxy: "proxy.example.com:3128" }).href, PROXY);
  assert.equal(findProxy(target, null, { all_proxy: "socks5://proxy.example.com" }), null);
});

test("the given proxy is used whatever the environment says", () => {
  assert.equal(findProxy(target, PROXY, { no_proxy: "*" }).href, PROXY);
});

test("the proxy of the environment is not used for a loopback host, but the given one is", () => {
  const environment = { http_proxy: PROXY, https_proxy: PROXY, all_proxy: PROXY };
  for (const url of ["http://localhost:8080", "http://127.0.0.1", "https://127.1.2.3", "http://[::1]"]) {
    assert.equal(findProxy(new URL(url), null, environment), null);
    assert.equal(findProxy(new URL(url), PROXY, environment).href, PROXY);
  }
});

for (const [url, list, isExcluded] of [
  ["https://licenses.example.com", "*", true],
  ["https://licenses.example.com", "licenses.example.com", true],
  ["https://licenses.example.com", "other.com, Licenses.Example.com", true],
  ["https://licenses.example.com", "example.com", true],
  ["https://licenses.example.com", ".example.com", true],
  ["https://licenses.example.com", "*.example.com", true],
  ["https://licenses.example.com", "ple.com", false],
  ["https://licenses.example.com", "example.com:443", true],
  ["https://licenses.example.com", "example.com:8443", false],
  ["https://licenses.example.com:8443", "example.com:8443", true],
  ["https://10.0.0.1", "10.0.0.1", true],
  ["https://10.0.0.1", "0.0.1", false],
  ["https://[fd00::1]:8443", "fd00::1", true],
  ["https://[fd00::1]:8443", "[fd00::1]:8443", true],
  ["https://[fd00::1]:8443", "[fd00::1]:443", false],
  ["https://licenses.example.com", ", ,", false],
]) {
  test(`NO_PROXY=${list} ${isExcluded ? "excludes" : "does not exclude"} ${url}`, () => {
    assert.equal(findProxy(new URL(url), null, { https_proxy: PROXY, NO_PROXY: list }) === null, isExcluded);
  });
}
