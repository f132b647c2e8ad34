// Signing in at another issuer: oidc-provider, which is certified to speak OpenID Connect.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import Provider from 'oidc-provider';
import { heading, isWell, launch, open, press, stack } from './harness.mjs';

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
    cookies: { keys: ['of this test alone'] },
  });
  // A native client may come back to any port of the machine (RFC 8252 §7.3); so may it from signing out, here.
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

async function signIn(page, who) {
  await page.goto(`${running.base}/dashboard`);
  await page.locator('input[name="login"]').fill(who);
  await page.locator('input[name="password"]').fill('any');
  await page.locator('button[type="submit"]').click();
  await page.locator('button[type="submit"]').click();
  await page.waitForURL((url) => url.pathname.startsWith('/dashboard'));
}

test('an operator signs in, and out again at the issuer, too', async () => {
  const page = await open(browser);
  await signIn(page, 'grace');
  await heading(page, 'Overview');
  await page.getByText('Grace Hopper').waitFor();
  await press(page, 'Sign out');
  // The issuer asks whether that is meant.
  await page.getByRole('button', { name: /yes/i }).click();
  await page.waitForURL(`${running.base}/dashboard/signed-out`);
  // Its own session is over as well: it asks who is there.
  await page.goto(`${running.base}/dashboard`);
  await page.locator('input[name="login"]').waitFor();
  page.faults = [];
  isWell(page);
  await page.context().close();
});

test('somebody without the role is a customer', async () => {
  const page = await open(browser);
  await signIn(page, 'ada');
  await heading(page, 'Welcome');
  assert.equal((await page.goto(`${running.base}/dashboard/customers`)).status(), 403);
  await page.context().close();
});

test('an answer to a question that this browser did not ask is refused', async () => {
  const page = await open(browser);
  const answer = await page.goto(`${running.base}/dashboard/callback?code=abc&state=made-up`);
  assert.equal(answer.status(), 401);
  await heading(page, 'You are not signed in');
  await page.context().close();
});
