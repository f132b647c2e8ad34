// Test helpers: a stack for each test file, a browser, and common steps of users.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium } from 'playwright-core';

export const DESKTOP = { viewport: { width: 1440, height: 900 } };
export const PHONE = { viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true };
export const OPERATOR = 'grace@example.com';
export const CUSTOMER = 'ada@example.com';

// Starts a stack. Returns its base URL and a function that calls its API with the operator's API key.
export async function stack(...flags) {
  const folder = await mkdtemp(join(tmpdir(), 'signet-browser-'));
  const child = spawn(process.env.SIGNET, ['--memory', '--listen', '127.0.0.1:0', '--data', folder, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (text) => { log += text; });
  let local;
  for (let tries = 0; !local; tries += 1) {
    assert.equal(child.exitCode, null, log);
    assert.ok(tries < 600, `the stack did not start: ${log}`);
    await pause(100);
    local = await readFile(join(folder, 'local.json'), 'utf8').then(JSON.parse, () => undefined);
  }
  const api = async (method, path, body) => {
    const response = await fetch(`${local.base_url}/api/v1.0${path}`, {
      method,
      headers: { 'x-api-key': local.operator_api_key, ...(body && { 'content-type': 'application/json' }) },
      body: body && JSON.stringify(body),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${response.ok ? '' : await response.clone().text()}`);
    return response.status === 204 ? null : response.json();
  };
  const stop = async () => {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  return { base: local.base_url, local, api, stop, kill: (signal) => child.kill(signal), log: () => log };
}

export const launch = (options) => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
  ...options,
});

// Opens a page in a new browser context. `assertNoErrors` fails the test if scripts or requests failed in it.
export async function open(browser, options = DESKTOP) {
  const context = await browser.newContext({ ...options, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  page.errors = [];
  // Chromium reports a cross-document transition that it skips, for example because the next page loads slowly, as an error.
  page.on('pageerror', (error) => { if (!/ViewTransition|Transition was (skipped|aborted)/.test(String(error))) page.errors.push(String(error)); });
  page.on('console', (message) => {
    const isClientError = /the server responded with a status of 4\d\d/.test(message.text());
    if (message.type() === 'error' && !isClientError) page.errors.push(message.text());
  });
  page.setDefaultTimeout(10_000);
  return page;
}

export const assertNoErrors = (page) => assert.deepEqual(page.errors, []);

// Opens a page and signs in at the development issuer.
export async function signIn(page, base, email, path = '/dashboard') {
  await page.goto(base + path);
  await page.click(`button[value="${email}"]`);
  await page.waitForURL((url) => url.pathname.startsWith('/dashboard'));
}

// Signs in on a new page at a path, uses the page, and fails if its scripts or requests did.
export async function usePage(browser, base, options, path, use) {
  const page = await open(browser, options);
  try {
    await signIn(page, base, OPERATOR, path);
    await use(page);
    assertNoErrors(page);
  } finally {
    await page.context().close();
  }
}

// Follows a link of the main navigation, which is behind a button on phones.
export async function go(page, name) {
  const menu = page.getByRole('button', { name: 'Menu' });
  if (await menu.isVisible()) await menu.click();
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
}

export async function press(page, name) {
  await page.getByRole('button', { name, exact: true }).click();
}

export async function follow(page, name) {
  await page.getByRole('link', { name, exact: true }).click();
}

export const heading = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor();

// Creates a product with three tiers and three features, a customer and a license.
export async function createCatalog(api) {
  const product = await api('POST', '/products', { code: 'atlas', name: 'Atlas' });
  const features = [];
  for (const [key, name] of [['export.pdf', 'PDF export'], ['zoom', 'Zoom'], ['layers', 'Layers']]) {
    features.push(await api('POST', '/product-features', { product_id: product.id, key, name }));
  }
  const tier = (code, name, more) => api('POST', '/pricing-tiers', {
    product_id: product.id, code, name, monthly_price: 1900, annual_price: 19000, currency: 'EUR',
    billing_period: 'annual', max_users: 3, feature_ids: [features[0].id], ...more,
  });
  const basic = await tier('basic', 'Basic', { is_claimable: true, monthly_price: 0, annual_price: 0 });
  const pro = await tier('pro', 'Pro', { includes_tier_id: basic.id, feature_ids: [features[1].id] });
  const team = await tier('team', 'Team', { includes_tier_id: pro.id, feature_ids: [features[2].id] });
  const customer = await api('POST', '/customers', { name: 'Mary Shelley', email: 'mary@example.com', company: 'Frankenstein' });
  const issued = await api('POST', '/license-keys', { customer_id: customer.id, tier_id: pro.id });
  return { product, features, tiers: [basic, pro, team], customer, issued };
}

export const activate = (api, license_key, machine_id, machine_name) =>
  api('POST', '/license-activations/activate', { license_key, machine_id, machine_name });
