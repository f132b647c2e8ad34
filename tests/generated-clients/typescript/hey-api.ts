// Sells a license key and activates a machine, with the client that hey-api made.

import assert from 'node:assert/strict';
import { createClient } from './signet/client/index.js';
import {
  activateMachine, createCustomer, createPricingTier, createProduct, issueLicenseKey, listLicenseKeys, sendHeartbeat,
  validateLicense, type IssuedLicense,
} from './signet/index.js';

const baseUrl = process.env.SIGNET_URL ?? '';
const app = createClient({ baseUrl });
const client = createClient({ baseUrl, auth: (scheme) => (scheme.type === 'apiKey' ? process.env.SIGNET_API_KEY : undefined) });
const operator = { client, throwOnError: true } as const;

const { data: product } = await createProduct({
  ...operator, body: { code: 'hey-api', name: 'Atlas', one_key_per_customer: false },
});
const { data: tier } = await createPricingTier({
  ...operator,
  body: {
    product_id: product.id, code: 'pro', name: 'Pro', max_users: 1, monthly_price: 1900, annual_price: 19000,
    currency: 'EUR', billing_period: 'annual',
  },
});
const { data: customer } = await createCustomer({
  ...operator, body: { name: 'Ada Lovelace', email: 'hey-api@example.com' },
});
const issued: IssuedLicense[] = [];
for (let number = 0; number < 3; number++) {
  const { data } = await issueLicenseKey({
    ...operator, body: { customer_id: customer.id, tier_id: tier.id }, headers: { 'Idempotency-Key': `order-hey-${number}` },
  });
  issued.push(data);
}

// A list, page by page.
const listed: string[] = [];
let cursor: string | undefined;
do {
  const { data: page } = await listLicenseKeys({ ...operator, query: { product_id: product.id, limit: 2, cursor } });
  listed.push(...page.items.map((one) => one.id));
  cursor = page.next_cursor ?? undefined;
} while (cursor);
assert.deepEqual(listed.sort(), issued.map((one) => one.license.id).sort());

// In the app.
const license_key = issued[0].license_key;
const { data: activated } = await activateMachine({ client: app, throwOnError: true, body: { license_key, machine_id: 'machine-1' } });
const { data: renewed } = await sendHeartbeat({
  client: app, throwOnError: true, body: { token: activated.token, machine_id: 'machine-1' },
});
assert(Date.parse(renewed.token_expires_at) > Date.now());
const { data: validated } = await validateLicense({ client: app, throwOnError: true, body: { token: renewed.token } });
assert.equal(validated.license?.status, 'active');

// An error is a Problem with a code.
const { error: problem } = await activateMachine({ client: app, body: { license_key, machine_id: 'machine-2' } });
assert.equal(problem?.code, 'seat_limit_reached');
console.log('ok');
