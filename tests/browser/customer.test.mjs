// The tasks of a customer, on desktop and phone.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { activate, assertNoErrors, createCatalog, CUSTOMER, DESKTOP, follow, go, heading, launch, open, PHONE, press, signIn, stack } from './harness.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

for (const [screen, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  test(`customer tasks on a ${screen}`, async () => {
    const { base, api, stop } = await stack();
    const { product } = await createCatalog(api);
    const page = await open(browser, options);
    try {
      await signIn(page, base, CUSTOMER, '/dashboard/catalog?billing=annual');
      await claim(page, base);
      const key = await page.locator('.secret-value').textContent();
      await press(page, 'Copy license key');
      await page.getByText('Copied.').waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key);

      await follow(page, 'View license');
      await page.getByText('No active machines').waitFor();
      await activate(api, key, 'laptop-7', 'Ada’s laptop');
      await page.reload();
      await page.getByText('Ada’s laptop').waitFor();
      await page.getByText(/\d+ seconds? ago/).waitFor();

      await press(page, 'Show license key');
      assert.equal(await page.locator('.secret-value').textContent(), key);
      await follow(page, 'Back to license');
      const [file] = await Promise.all([page.waitForEvent('download'), press(page, 'Download key file')]);
      assert.equal(file.suggestedFilename(), 'atlas-key.json');
      const license = JSON.parse(await readFile(await file.path(), 'utf8'));
      assert.equal(license.license_key, key);
      assert.equal(license.product, product.code);
      assert.equal(license.root_keys.length, 1);
      assert.equal((await fetch(license.jwks_uri)).status, 200);

      await follow(page, 'Deactivate');
      await page.getByRole('dialog').getByRole('button', { name: 'Deactivate' }).click();
      await page.getByText('Machine deactivated.').waitFor();
      await page.getByText('No active machines').waitFor();

      // The catalog leads to the license instead of offering it again.
      await go(page, 'Catalog');
      await page.getByText('You have this').waitFor();
      assert.equal(await page.getByRole('link', { name: 'Get license: Atlas Basic' }).count(), 0);
      await follow(page, 'View license');
      await heading(page, 'Atlas');
      await go(page, 'Your licenses');
      assert.equal(await page.getByRole('link', { name: 'Atlas' }).count(), 1);
      assertNoErrors(page);
    } finally {
      await page.context().close();
      await stop();
    }
  });
}

async function claim(page, base) {
  // The sign-in returns to the requested page with its query.
  assert.equal(page.url(), `${base}/dashboard/catalog?billing=annual`);
  await page.getByText('Everything in Basic').waitFor();
  await page.getByText('€190 / year').first().waitFor();
  await follow(page, 'Monthly prices');
  await page.getByText('€19 / month').first().waitFor();
  await page.getByRole('link', { name: 'Get license: Atlas Basic' }).click();
  await heading(page, 'Welcome');
  await page.getByLabel('Name').fill('');
  await page.getByLabel('Name').fill('Ada Lovelace');
  await page.getByLabel('Company').fill('Analytical Engines');
  await press(page, 'Continue');
  await heading(page, 'Get this license');
  await press(page, 'Get license');
  await heading(page, 'Your license key');
}
