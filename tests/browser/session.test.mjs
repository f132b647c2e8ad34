// Who is let in, and what of a form is lost when nobody is: nothing.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { CUSTOMER, DESKTOP, heading, isWell, launch, open, OPERATOR, press, shop, signIn, stack } from './harness.mjs';

let browser;
let running;
let sold;
before(async () => {
  browser = await launch();
  running = await stack();
  sold = await shop(running.api);
});
after(async () => {
  await browser.close();
  await running.stop();
});

async function visit(options, use) {
  const page = await open(browser, options);
  try {
    await use(page);
    isWell(page);
  } finally {
    await page.context().close();
  }
}

// As when its eight hours are over: the browser drops the cookie.
const forget = (page) => page.context().clearCookies({ name: '__Host-signet-session' });

async function half_a_form(page) {
  await signIn(page, running.base, OPERATOR, '/dashboard/customers/new');
  await page.locator('#main').getByLabel('Name').fill('Bram & Stoker');
  await page.locator('#main').getByLabel('E-mail').fill(`bram-${Date.now()}@example.com`);
  await forget(page);
  await press(page, 'Create customer');
  await heading(page, 'Your session is over');
}

test('a session that ends in the middle of a form loses nothing of it', () => visit(DESKTOP, async (page) => {
  await half_a_form(page);
  const [tab] = await Promise.all([page.waitForEvent('popup'), page.getByRole('link', { name: 'Sign in again' }).click()]);
  await tab.click(`button[value="${OPERATOR}"]`);
  // The tab that waits goes on by itself.
  await heading(page, 'Bram & Stoker');
}));

test('the same without a script', () => visit({ ...DESKTOP, javaScriptEnabled: false }, async (page) => {
  await half_a_form(page);
  const [tab] = await Promise.all([page.waitForEvent('popup'), page.getByRole('link', { name: 'Sign in again' }).click()]);
  await tab.click(`button[value="${OPERATOR}"]`);
  await heading(tab, 'Signed in');
  await press(page, 'Send what you typed');
  await heading(page, 'Bram & Stoker');
}));

test('the wrong role is refused on the server', () => visit(DESKTOP, async (page) => {
  await signIn(page, running.base, CUSTOMER);
  const { license } = sold.issued;
  const pages = [
    '/dashboard/products', '/dashboard/products/new', `/dashboard/products/${sold.product.id}`, '/dashboard/customers',
    `/dashboard/customers/${sold.customer.id}`, '/dashboard/license-keys', '/dashboard/license-keys/new',
    `/dashboard/license-keys/${license.id}`, `/dashboard/license-keys/${license.id}/revoke`, '/dashboard/api-keys',
    '/dashboard/signing-keys', '/dashboard/health',
  ];
  for (const path of pages) {
    assert.equal((await page.goto(running.base + path)).status(), 403, path);
    await heading(page, 'This is not for you');
  }
  for (const path of ['/dashboard/products/new', `/dashboard/license-keys/${license.id}/revoke`, '/dashboard/api-keys/new', '/dashboard/search']) {
    const status = await page.evaluate(async (to) => (await fetch(to, { method: 'POST', body: new URLSearchParams({ q: 'a' }) })).status, path);
    assert.equal(status, 403, path);
  }
  // Somebody else's license is not there.
  assert.equal((await page.goto(`${running.base}/dashboard/licenses/${license.id}`)).status(), 404);
}));

test('a form of another site does nothing', () => visit(DESKTOP, async (page) => {
  await signIn(page, running.base, OPERATOR);
  // Another port is another origin, and the same site: the cookie goes along.
  const form = `<form method="post" action="${running.base}/dashboard/customers/new"><input name="name" value="Eve"><input name="email" value="eve@example.com"><button>Send</button></form>`;
  const other = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(form));
  await new Promise((ready) => other.listen(0, '127.0.0.1', ready));
  try {
    await page.goto(`http://127.0.0.1:${other.address().port}/`);
    await press(page, 'Send');
    await heading(page, 'This is not for you');
    const { items } = await running.api('GET', '/customers?email=eve@example.com');
    assert.equal(items.length, 0);
  } finally {
    other.closeAllConnections();
    other.close();
  }
}));

test('what somebody wrote is shown as text wherever it stands', async () => {
  const evil = '<script>window.evil=1</script><img src=x onerror=window.evil=1>"\'`';
  const { api } = running;
  const product = await api('POST', '/products', { code: 'evil', name: evil, description: evil });
  const feature = await api('POST', '/product-features', { product_id: product.id, key: 'evil', name: evil, description: evil });
  const tier = await api('POST', '/pricing-tiers', {
    product_id: product.id, code: 'evil', name: evil, description: evil, monthly_price: 1, annual_price: 1, currency: 'EUR',
    billing_period: 'annual', max_users: 1, feature_ids: [feature.id], is_claimable: true,
  });
  const customer = await api('POST', '/customers', { name: evil, email: 'evil@example.com', company: evil });
  const { license, license_key } = await api('POST', '/license-keys', { customer_id: customer.id, tier_id: tier.id });
  const { activation } = await api('POST', '/license-activations/activate', { license_key, machine_id: evil, machine_name: evil });
  const key = await api('POST', '/api-keys', { name: evil, scopes: ['licenses:read'] });
  await api('POST', `/license-keys/${license.id}/revoke`, { reason: evil });
  await visit(DESKTOP, async (page) => {
    await signIn(page, running.base, OPERATOR);
    for (const path of [
      '/dashboard', '/dashboard/products', `/dashboard/products/${product.id}`, `/dashboard/products/${product.id}/edit`,
      `/dashboard/products/${product.id}/features`, `/dashboard/products/${product.id}/picture`, `/dashboard/tiers/${tier.id}/edit`,
      `/dashboard/features/${feature.id}/edit`, '/dashboard/customers', `/dashboard/customers/${customer.id}`,
      `/dashboard/customers/${customer.id}/edit`, '/dashboard/license-keys', `/dashboard/license-keys/${license.id}`,
      `/dashboard/license-keys/${license.id}/history`, `/dashboard/license-keys/${license.id}/machines/${activation.id}/free`,
      '/dashboard/license-keys/new', '/dashboard/api-keys', `/dashboard/api-keys/${key.id}/delete`,
      `/dashboard/customers?name=${encodeURIComponent(evil)}`, '/dashboard/catalog',
    ]) {
      await page.goto(running.base + path);
      assert.equal(await page.evaluate(() => window.evil), undefined, path);
      assert.equal(await page.locator('img').count(), 0, path);
    }
    await page.goto(`${running.base}/dashboard/customers/${customer.id}`);
    assert.equal(await page.locator('h1').textContent(), evil);
  });
});

test('pages are read, and forms are sent, without a script', () => visit({ ...DESKTOP, javaScriptEnabled: false }, async (page) => {
  await signIn(page, running.base, OPERATOR);
  await page.goto(`${running.base}/dashboard/license-keys?status=active`);
  await page.locator('tbody a').first().click();
  await page.getByRole('link', { name: 'Suspend' }).click();
  await heading(page, 'Suspend this license key?');
  await press(page, 'Suspend');
  await page.getByText('Suspended.', { exact: true }).waitFor();
  await page.getByLabel('Light or dark').selectOption('dark');
  await press(page, 'Set');
  assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark');
}));

test('health says so when the API is down, and when it is back', () => visit(DESKTOP, async (page) => {
  await signIn(page, running.base, OPERATOR, '/dashboard/health');
  await page.getByText('All is well').waitFor();
  await page.route('**/health', (route) => (route.request().resourceType() === 'fetch' ? route.abort() : route.continue()));
  await page.getByText('The API is down').waitFor();
  await page.getByText(/The last answer came at/).waitFor();
  await page.unroute('**/health');
  await page.getByText('All is well').waitFor();
  page.faults = page.faults.filter((fault) => !fault.includes('net::ERR_FAILED'));
}));
