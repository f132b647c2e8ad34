// Sign-in with another issuer: oidc-provider, a certified OpenID Connect implementation.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import Provider from 'oidc-provider';
import { heading, assertNoErrors, launch, open, press, stack } from './harness.mjs';

const ACCOUNTS = {
  grace: { email: 'grace@example.com', email_verified: true, name: 'Grace Hopper', roles: ['operator'] },
  ada: { email: 'ada@example.com', email_verified: true, name: 'Ada Lovelace', roles: [] },
};

async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

let browser;
let running;
let server;
before(async () => {
  browser = await launch();
  const issuer = `http://127.0.0.1:${await freePort()}`;
  const client = {
    client_id: 'signet', token_endpoint_auth_method: 'none', grant_types: ['authorization_code'], response_types: ['code'],
    redirect_uris: ['http://127.0.0.1/dashboard/callback'], post_logout_redirect_uris: ['http://127.0.0.1/dashboard/signed-out'],
    application_type: 'native',
  };
  const provider = new Provider(issuer, {
    clients: [client],
    pkce: { required: () => true },
    claims: { openid: ['sub', 'roles'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...ACCOUNTS[id] }) }),
    cookies: { keys: ['test'] },
  });
  // Native clients may use any loopback port in redirect URIs (RFC 8252 §7.3). This extends it to sign-out.
  provider.Client.prototype.postLogoutRedirectUriAllowed = (uri) => new URL(uri).pathname === '/dashboard/signed-out';
  server = await new Promise((ready) => { const up = provider.listen(new URL(issuer).port, '127.0.0.1', () => ready(up)); });
  running = await stack('--oidc-issuer', issuer, '--oidc-client', 'signet');
});
after(async () => {
  await browser.close();
  await running?.stop();
  server?.closeAllConnections();
  server?.close();
});

async function signIn(page, account) {
  await page.goto(`${running.base}/dashboard`);
  await page.locator('input[name="login"]').fill(account);
  await page.locator('input[name="password"]').fill('any');
  await page.locator('button[type="submit"]').click();
  await page.locator('button[type="submit"]').click();
  await page.waitForURL((url) => url.pathname.startsWith('/dashboard'));
}

test('an operator signs in, and signs out of the issuer as well', async () => {
  const page = await open(browser);
  await signIn(page, 'grace');
  await heading(page, 'Overview');
  await page.getByText('Grace Hopper').waitFor();
  await press(page, 'Sign out');
  // The issuer asks for confirmation.
  await page.getByRole('button', { name: /yes/i }).click();
  await page.waitForURL(`${running.base}/dashboard/signed-out`);
  // The issuer's session has ended as well, so it shows its sign-in page.
  await page.goto(`${running.base}/dashboard`);
  await page.locator('input[name="login"]').waitFor();
  page.errors = [];
  assertNoErrors(page);
  await page.context().close();
});

test('users without the operator role are customers', async () => {
  const page = await open(browser);
  await signIn(page, 'ada');
  await heading(page, 'Welcome');
  assert.equal((await page.goto(`${running.base}/dashboard/customers`)).status(), 403);
  await page.context().close();
});

test('a callback without a pending sign-in is rejected', async () => {
  const page = await open(browser);
  const response = await page.goto(`${running.base}/dashboard/callback?code=abc&state=unknown`);
  assert.equal(response.status(), 401);
  await heading(page, 'Sign-in failed');
  await page.context().close();
});
