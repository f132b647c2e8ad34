// Sessions, authorization, CSRF and XSS protection, and pages without JavaScript.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { assertNoErrors, createCatalog, CUSTOMER, DESKTOP, heading, launch, open, OPERATOR, press, signIn, stack } from './harness.mjs';

let browser;
let running;
let catalog;
before(async () => {
  browser = await launch();
  running = await stack();
  catalog = await createCatalog(running.api);
});
after(async () => {
  await browser.close();
  await running.stop();
});

async function withPage(options, use) {
  const page = await open(browser, options);
  try {
    await use(page);
    assertNoErrors(page);
  } finally {
    await page.context().close();
  }
}

// Simulates an expired session: browsers delete expired cookies.
const expireSession = (page) => page.context().clearCookies({ name: '__Host-signet-session' });

async function submitExpiredForm(page) {
  await signIn(page, running.base, OPERATOR, '/dashboard/customers/new');
  await page.locator('#main').getByLabel('Name').fill('Bram & Stoker');
  await page.locator('#main').getByLabel('Email').fill(`bram-${Date.now()}@example.com`);
  await expireSession(page);
  await press(page, 'Create customer');
  await heading(page, 'Your session has expired');
}

test('a form can be submitted after its session expired', () => withPage(DESKTOP, async (page) => {
  await submitExpiredForm(page);
  const [tab] = await Promise.all([page.waitForEvent('popup'), page.getByRole('link', { name: 'Sign in again' }).click()]);
  await tab.click(`button[value="${OPERATOR}"]`);
  // The original tab submits the form automatically.
  await heading(page, 'Bram & Stoker');
}));

test('a form can be submitted after its session expired, without JavaScript', () => withPage({ ...DESKTOP, javaScriptEnabled: false }, async (page) => {
  await submitExpiredForm(page);
  const [tab] = await Promise.all([page.waitForEvent('popup'), page.getByRole('link', { name: 'Sign in again' }).click()]);
  await tab.click(`button[value="${OPERATOR}"]`);
  await heading(tab, "You're signed in");
  await press(page, 'Submit again');
  await heading(page, 'Bram & Stoker');
}));

test('customers can\'t use the pages of operators', () => withPage(DESKTOP, async (page) => {
  await signIn(page, running.base, CUSTOMER);
  const { license } = catalog.issued;
  const pages = [
    '/dashboard/products', '/dashboard/products/new', `/dashboard/products/${catalog.product.id}`, '/dashboard/customers',
    `/dashboard/customers/${catalog.customer.id}`, '/dashboard/license-keys', '/dashboard/license-keys/new',
    `/dashboard/license-keys/${license.id}`, `/dashboard/license-keys/${license.id}/revoke`, '/dashboard/api-keys',
    '/dashboard/signing-keys', '/dashboard/health',
  ];
  for (const path of pages) {
    assert.equal((await page.goto(running.base + path)).status(), 403, path);
    await heading(page, "You don't have access");
  }
  for (const path of ['/dashboard/products/new', `/dashboard/license-keys/${license.id}/revoke`, '/dashboard/api-keys/new', '/dashboard/search']) {
    const status = await page.evaluate(async (to) => (await fetch(to, { method: 'POST', body: new URLSearchParams({ q: 'a' }) })).status, path);
    assert.equal(status, 403, path);
  }
  // Licenses of other customers are not found.
  assert.equal((await page.goto(`${running.base}/dashboard/licenses/${license.id}`)).status(), 404);
}));

test('cross-site forms are rejected', () => withPage(DESKTOP, async (page) => {
  await signIn(page, running.base, OPERATOR);
  // Another port is another origin on the same site, so the browser sends the cookie.
  const form = `<form method="post" action="${running.base}/dashboard/customers/new"><input name="name" value="Eve"><input name="email" value="eve@example.com"><button>Send</button></form>`;
  const other = createServer((_, response) => response.setHeader('content-type', 'text/html').end(form));
  await new Promise((ready) => other.listen(0, '127.0.0.1', ready));
  try {
    await page.goto(`http://127.0.0.1:${other.address().port}/`);
    await press(page, 'Send');
    await heading(page, "You don't have access");
    const { items } = await running.api('GET', '/customers?email=eve@example.com');
    assert.equal(items.length, 0);
  } finally {
    other.closeAllConnections();
    other.close();
  }
}));

test('values are escaped on every page', async () => {
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
  await withPage(DESKTOP, async (page) => {
    await signIn(page, running.base, OPERATOR);
    for (const path of [
      '/dashboard', '/dashboard/products', `/dashboard/products/${product.id}`, `/dashboard/products/${product.id}/edit`,
      `/dashboard/products/${product.id}/features`, `/dashboard/products/${product.id}/hierarchy`, `/dashboard/tiers/${tier.id}/edit`,
      `/dashboard/features/${feature.id}/edit`, '/dashboard/customers', `/dashboard/customers/${customer.id}`,
      `/dashboard/customers/${customer.id}/edit`, '/dashboard/license-keys', `/dashboard/license-keys/${license.id}`,
      `/dashboard/license-keys/${license.id}/history`, `/dashboard/license-keys/${license.id}/machines/${activation.id}/deactivate`,
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

test('pages and forms work without JavaScript', () => withPage({ ...DESKTOP, javaScriptEnabled: false }, async (page) => {
  await signIn(page, running.base, OPERATOR);
  await page.goto(`${running.base}/dashboard/license-keys?status=active`);
  await page.locator('tbody a').first().click();
  await page.getByRole('link', { name: 'Suspend' }).click();
  await heading(page, 'Suspend this license?');
  await press(page, 'Suspend');
  await page.getByText('License suspended.').waitFor();
  await page.getByLabel('Theme').selectOption('dark');
  await press(page, 'Apply');
  assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark');
}));

test('health page shows an outage and its end', () => withPage(DESKTOP, async (page) => {
  await signIn(page, running.base, OPERATOR, '/dashboard/health');
  await page.getByText('All systems operational').waitFor();
  await page.route('**/health', (route) => (route.request().resourceType() === 'fetch' ? route.abort() : route.continue()));
  await page.getByText('The API is unreachable').waitFor();
  await page.getByText(/Last response at/).waitFor();
  await page.unroute('**/health');
  await page.getByText('All systems operational').waitFor();
  page.errors = page.errors.filter((error) => !error.includes('net::ERR_FAILED'));
}));
