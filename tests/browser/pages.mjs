// The paths of all pages.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { activate, CUSTOMER, OPERATOR, signIn } from './harness.mjs';

// Adds webhook endpoints with a delivery that fails: nothing listens on the port. Returns the paths of their pages.
async function webhookPages(api) {
  const add = (body) => api('POST', '/webhook-endpoints', { event_types: ['*'], ...body });
  await add({ url: 'https://example.com/webhooks', event_types: ['license.*'], description: 'Billing', is_active: false });
  const { id } = await add({ url: 'http://127.0.0.1:9/webhooks', description: 'CRM' });
  const { id: delivery } = await api('POST', `/webhook-endpoints/${id}/test`, {});
  for (let tries = 0, sent; !sent; tries += 1) {
    assert.ok(tries < 300, 'the test event was not sent');
    await pause(100);
    const { items } = await api('GET', `/webhook-endpoints/${id}/deliveries`);
    sent = items.some((item) => item.last_attempt_at);
  }
  const endpoint = `/dashboard/webhooks/${id}`;
  return {
    webhooks: '/dashboard/webhooks',
    'webhook-new': '/dashboard/webhooks/new',
    webhook: endpoint,
    ...Object.fromEntries(['edit', 'test', 'rotate-secret', 'replay', 'delete'].map((word) => [`webhook-${word}`, `${endpoint}/${word}`])),
    'webhook-delivery': `/dashboard/webhook-deliveries/${delivery}`,
  };
}

// Returns the paths of the operator's and the customer's pages on a stack with demo data, by user and page name.
export async function allPages(page, base, api) {
  const { items: keys } = await api('GET', '/license-keys?limit=100');
  const key = keys.find((item) => item.status === 'active' && item.max_users === 5) ?? keys[0];
  await api('PATCH', `/pricing-tiers/${key.tier_id}`, { max_borrow_seconds: 86_400 });
  const { items: machines } = await api('GET', `/license-activations?license_id=${key.id}`);
  const { items: products } = await api('GET', '/products');
  const { items: tiers } = await api('GET', `/pricing-tiers?product_id=${products[0].id}`);
  const { items: features } = await api('GET', `/product-features?product_id=${products[0].id}`);
  const { items: allTiers } = await api('GET', '/pricing-tiers?limit=100');
  const limited = allTiers.find((tier) => tier.effective_limits.length > 0);
  const overridden = keys.find((item) => item.tier_id === limited.id);
  const { items: access } = await api('GET', '/api-keys');
  const { items: signing } = await api('GET', '/signing-keys');
  const [product, license] = [`/dashboard/products/${products[0].id}`, `/dashboard/license-keys/${key.id}`];
  const operator = {
    overview: '/dashboard',
    products: '/dashboard/products',
    'product-new': '/dashboard/products/new',
    'product-edit': `${product}/edit`,
    tiers: product,
    'tier-new': `${product}/tiers/new`,
    'tier-edit': `/dashboard/tiers/${tiers[1].id}/edit`,
    'tier-edit-limits': `/dashboard/tiers/${limited.id}/edit`,
    features: `${product}/features`,
    'feature-new': `${product}/features/new`,
    'feature-edit': `/dashboard/features/${features[0].id}/edit`,
    hierarchy: `${product}/hierarchy`,
    customers: '/dashboard/customers',
    'customers-empty': '/dashboard/customers?name=unknown',
    'customer-new': '/dashboard/customers/new',
    customer: `/dashboard/customers/${key.customer_id}`,
    'customer-edit': `/dashboard/customers/${key.customer_id}/edit`,
    'customer-erase': `/dashboard/customers/${key.customer_id}/erase`,
    'license-keys': '/dashboard/license-keys',
    'license-keys-filtered': `/dashboard/license-keys?status=revoked&order=oldest`,
    'license-key-new': '/dashboard/license-keys/new',
    'license-key': license,
    'license-key-history': `${license}/history`,
    'license-key-override-flag': `${license}/entitlements/${features[0].id}`,
    'license-key-entitlements': `/dashboard/license-keys/${overridden.id}/entitlements`,
    'license-key-override-limit': `/dashboard/license-keys/${overridden.id}/entitlements/${limited.effective_limits[0].feature_id}`,
    ...Object.fromEntries(['renew', 'change', 'suspend', 'reinstate', 'regenerate', 'revoke', 'audit'].map((word) => [`license-key-${word}`, `${license}/${word}`])),
    'license-key-offline': `${license}/offline-activation`,
    'license-key-deactivate': `${license}/machines/${machines[0].id}/deactivate`,
    'api-keys': '/dashboard/api-keys',
    'api-key-new': '/dashboard/api-keys/new',
    'api-key-delete': `/dashboard/api-keys/${access[0].id}/delete`,
    'signing-keys': '/dashboard/signing-keys',
    'signing-keys-rotate': '/dashboard/signing-keys/rotate',
    'signing-key-condemn': `/dashboard/signing-keys/${signing[0].kid}/condemn`,
    ...(await webhookPages(api)),
    activity: '/dashboard/activity',
    'activity-filtered': `/dashboard/activity?type=product.*&subject_id=${products[0].id}&since=2026-01-01`,
    'activity-empty': '/dashboard/activity?until=2020-01-01',
    health: '/dashboard/health',
    'not-found': '/dashboard/unknown',
  };
  const own = await claimLicense(page, base, api);
  const customer = {
    catalog: '/dashboard/catalog',
    'catalog-annual': '/dashboard/catalog?billing=annual',
    claim: `/dashboard/catalog/${own.tier}/claim`,
    licenses: '/dashboard/licenses',
    'license-add': '/dashboard/licenses/add',
    license: own.path,
    'license-deactivate': own.deactivate,
    forbidden: '/dashboard/customers',
    'signed-in': '/dashboard/signed-in',
    'signed-out': '/dashboard/signed-out',
    welcome: '/dashboard/welcome',
  };
  return { [OPERATOR]: operator, [CUSTOMER]: customer };
}

// Registers the customer, claims a license and activates a machine.
async function claimLicense(page, base, api) {
  const { products } = await api('GET', '/products/catalog');
  const tier = products.flatMap((product) => product.tiers).find((item) => item.is_claimable).id;
  await signIn(page, base, CUSTOMER, `/dashboard/catalog/${tier}/claim`);
  await page.getByLabel('Name').fill('Ada Lovelace');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('button', { name: 'Get license' }).click();
  const key = await page.locator('.secret-value').textContent();
  await page.getByRole('link', { name: 'View license' }).click();
  await page.waitForURL(/licenses\/lic_/);
  const path = new URL(page.url()).pathname;
  const { activation } = await activate(api, key, 'laptop-7', 'Ada’s laptop');
  await page.context().clearCookies();
  return { tier, path, deactivate: `${path}/machines/${activation.id}/deactivate` };
}
