// Sells a license key and activates a machine, with the client that openapi-generator made.

import assert from 'node:assert/strict';
import { AppsApi, BillingPeriod, CatalogApi, Configuration, CustomersApi, ErrorCode, LicensesApi, LicenseStatus, ProblemFromJSON, ResponseError } from './signet/index.js';

const configuration = new Configuration({ basePath: process.env.SIGNET_URL, apiKey: process.env.SIGNET_API_KEY });
const catalog = new CatalogApi(configuration);
const licenses = new LicensesApi(configuration);
const apps = new AppsApi(new Configuration({ basePath: process.env.SIGNET_URL }));

const product = await catalog.createProduct({
  createProductRequest: { code: 'openapi-generator-typescript', name: 'Atlas', oneKeyPerCustomer: false },
});
const tier = await catalog.createPricingTier({
  createPricingTierRequest: {
    productId: product.id, code: 'pro', name: 'Pro', maxUsers: 1, monthlyPrice: 1900, annualPrice: 19000,
    currency: 'EUR', billingPeriod: BillingPeriod.Annual,
  },
});
const customer = await new CustomersApi(configuration).createCustomer({
  customerRequest: { name: 'Ada Lovelace', email: 'openapi-generator-typescript@example.com' },
});
const issued = [];
for (let number = 0; number < 3; number++) {
  issued.push(await licenses.issueLicenseKey({
    issueRequest: { customerId: customer.id, tierId: tier.id }, idempotencyKey: `order-ts-${number}`,
  }));
}

// A list, page by page.
const listed: string[] = [];
let cursor: string | undefined;
do {
  const page = await licenses.listLicenseKeys({ productId: product.id, limit: 2, cursor });
  listed.push(...page.items.map((one) => one.id));
  cursor = page.nextCursor ?? undefined;
} while (cursor);
assert.deepEqual(listed.sort(), issued.map((one) => one.license.id).sort());

// In the app.
const licenseKey = issued[0].licenseKey;
const activated = await apps.activateMachine({ activateRequest: { licenseKey, machineId: 'machine-1' } });
const renewed = await apps.sendHeartbeat({ heartbeatRequest: { token: activated.token, machineId: 'machine-1' } });
assert(renewed.tokenExpiresAt.getTime() > Date.now());
const validated = await apps.validateLicense({ validateRequest: { token: renewed.token } });
assert.equal(validated.license?.status, LicenseStatus.Active);

// An error is a Problem with a code.
const error = await apps.activateMachine({ activateRequest: { licenseKey, machineId: 'machine-2' } }).catch((error: unknown) => error);
assert(error instanceof ResponseError);
const problem = ProblemFromJSON(await error.response.json());
assert.equal(problem.code, ErrorCode.SeatLimitReached);
console.log('ok');
