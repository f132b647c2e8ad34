// The customer's day, on a desktop and on a phone.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { activate, CUSTOMER, DESKTOP, follow, go, heading, isWell, launch, open, PHONE, press, shop, signIn, stack } from './harness.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

for (const [screen, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  test(`a customer's day on a ${screen}`, async () => {
    const { base, api, stop } = await stack();
    const { product } = await shop(api);
    const page = await open(browser, options);
    try {
      await signIn(page, base, CUSTOMER, '/dashboard/catalog?billing=annual');
      await claim(page, base);
      const key = await page.locator('.secret-text').textContent();
      await press(page, 'Copy the key');
      await page.getByText('Copied.').waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key);

      await follow(page, 'Go to your license');
      await page.getByText('No machine uses it yet').waitFor();
      await activate(api, key, 'laptop-7', 'Ada’s laptop');
      await page.reload();
      await page.getByText('Ada’s laptop').waitFor();
      await page.getByText(/\d+ seconds? ago/).waitFor();

      await press(page, 'Show the license key');
      assert.equal(await page.locator('.secret-text').textContent(), key);
      await follow(page, 'Back to the license');
      const [file] = await Promise.all([page.waitForEvent('download'), press(page, 'Download the license file')]);
      assert.equal(file.suggestedFilename(), 'atlas-license.json');
      const license = JSON.parse(await readFile(await file.path(), 'utf8'));
      assert.equal(license.license_key, key);
      assert.equal(license.product, product.code);
      assert.equal(license.root_keys.length, 1);
      assert.equal((await fetch(license.jwks_uri)).status, 200);

      await follow(page, 'Free the seat');
      await page.getByRole('dialog').getByRole('button', { name: 'Free the seat' }).click();
      await page.getByText('The seat is free.').waitFor();
      await page.getByText('No machine uses it yet').waitFor();

      // A tier is claimed once: claiming it again leads to the same key.
      await go(page, 'Catalog');
      await page.getByRole('link', { name: 'Claim Atlas Basic' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Claim it' }).click();
      await heading(page, 'Here is your license key');
      assert.equal(await page.locator('.secret-text').textContent(), key);
      await go(page, 'Your licenses');
      assert.equal(await page.getByRole('link', { name: 'Atlas' }).count(), 1);
      isWell(page);
    } finally {
      await page.context().close();
      await stop();
    }
  });
}

async function claim(page, base) {
  // The page that was wanted, with what its address asked for.
  assert.equal(page.url(), `${base}/dashboard/catalog?billing=annual`);
  await page.getByText('Everything in Basic').waitFor();
  await page.getByText('EUR 190.00 a year').first().waitFor();
  await follow(page, 'Monthly prices');
  await page.getByText('EUR 19.00 a month').first().waitFor();
  await page.getByRole('link', { name: 'Claim Atlas Basic' }).click();
  await heading(page, 'Welcome');
  await page.getByLabel('Name').fill('');
  await page.getByLabel('Name').fill('Ada Lovelace');
  await page.getByLabel('Company').fill('Analytical Engines');
  await press(page, 'Go on');
  await heading(page, 'Claim this license');
  await press(page, 'Claim it');
  await heading(page, 'Here is your license key');
}
