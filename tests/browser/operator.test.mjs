// The tasks of an operator, starting with an empty installation, on desktop and phone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { activate, assertNoErrors, DESKTOP, follow, go, heading, launch, open, OPERATOR, PHONE, press, signIn, stack } from './harness.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

for (const [screen, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  test(`operator tasks on a ${screen}`, async () => {
    const { base, api, stop } = await stack();
    const page = await open(browser, options);
    try {
      await signIn(page, base, OPERATOR);
      await page.getByText('Create your first product').waitFor();
      await catalog(page);
      const key = await issueLicense(page);
      await machines(page, api, key);
      await licenseActions(page, key, api);
      await accessKeys(page);
      await go(page, 'Health');
      await page.getByText('All systems operational').waitFor();
      await signOut(page, base);
      assertNoErrors(page);
    } finally {
      await page.context().close();
      await stop();
    }
  });
}

async function catalog(page) {
  await go(page, 'Products');
  await page.getByRole('link', { name: 'New product' }).first().click();
  await page.locator('#main').getByLabel('Code').fill('Not A Code');
  await page.locator('#main').getByLabel('Name').fill('Atlas');
  await press(page, 'Create product');
  // The form keeps its values and shows the error at the field.
  assert.equal(await page.locator('#main').getByLabel('Code').inputValue(), 'Not A Code');
  assert.equal(await page.locator('#main').getByLabel('Name').inputValue(), 'Atlas');
  assert.equal(await page.locator('#main').getByLabel('Code').getAttribute('aria-invalid'), 'true');
  await page.locator('#main').getByLabel('Code').fill('atlas');
  await press(page, 'Create product');
  await heading(page, 'Atlas');

  await follow(page, 'Features');
  for (const [key, name] of [['export.pdf', 'PDF export'], ['zoom', 'Zoom']]) {
    await page.getByRole('link', { name: 'New feature' }).first().click();
    await page.locator('#main').getByLabel('Key').fill(key);
    await page.locator('#main').getByLabel('Name').fill(name);
    await press(page, 'Create feature');
    await page.getByText('Feature created.').waitFor();
  }
  await follow(page, 'Pricing tiers');
  for (const [code, name, feature, base] of [['basic', 'Basic', 'PDF export', 'None'], ['pro', 'Pro', 'Zoom', 'Basic']]) {
    await page.getByRole('link', { name: 'New tier' }).first().click();
    await page.locator('#main').getByLabel('Code').fill(code);
    await page.locator('#main').getByLabel('Name').fill(name);
    await page.locator('#main').getByLabel('Inherits from').selectOption({ label: base });
    await page.locator('#main').getByLabel(feature).check();
    await page.locator('#main').getByLabel('Seats').fill('3');
    await page.locator('#main').getByLabel('Monthly price').fill('19.90');
    await page.locator('#main').getByLabel('Annual price').fill('199');
    await press(page, 'Create tier');
    await page.getByText('Tier created.').waitFor();
  }
  await page.getByText('€19.90 / month · €199 / year').first().waitFor();
  await follow(page, 'Tier hierarchy');
  await page.getByText('PDF export from Basic').waitFor();
}

// Issues a license and returns its key string.
async function issueLicense(page) {
  await go(page, 'Customers');
  await page.getByRole('link', { name: 'New customer' }).first().click();
  await page.locator('#main').getByLabel('Name').fill('Mary Shelley');
  await page.locator('#main').getByLabel('Email').fill('mary@example.com');
  await press(page, 'Create customer');
  await heading(page, 'Mary Shelley');
  await page.getByRole('link', { name: 'Issue license' }).first().click();
  assert.equal(await page.locator('#main').getByLabel('Customer email').inputValue(), 'mary@example.com');
  await page.locator('#main').getByLabel('Tier').selectOption({ label: 'Atlas Pro – 3 seats' });
  await press(page, 'Review');
  await heading(page, 'Issue this license?');
  await page.getByText('€19.90 / month').waitFor();
  await press(page, 'Back');
  await page.locator('#main').getByLabel('Expires', { exact: true }).selectOption('never');
  await press(page, 'Review');
  await page.getByText('Perpetual').waitFor();
  await press(page, 'Issue license');
  await heading(page, 'License issued');
  const shown = await page.locator('.secret-value').textContent();
  await press(page, 'Copy license key');
  await page.getByText('Copied.').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), shown);
  // Submitting the form again shows the same key and issues no other.
  await page.reload();
  assert.equal(await page.locator('.secret-value').textContent(), shown);
  await follow(page, 'View license');
  return shown;
}

async function machines(page, api, key) {
  const { activation } = await activate(api, key, 'machine-1', 'Build server');
  assert.equal(activation.status, 'active');
  // The search finds the key string, which does not appear in the URL.
  const menu = page.getByRole('button', { name: 'Menu' });
  if (await menu.isVisible()) await menu.click();
  await page.getByRole('searchbox').fill(` ${key.toLowerCase()} `);
  await page.keyboard.press('Enter');
  await page.getByText('Build server').waitFor();
  assert.ok(!page.url().toUpperCase().includes(key.slice(-5)));
  await page.getByText('1 of 3').waitFor();
  await follow(page, 'Deactivate');
  await page.getByRole('dialog').getByText('Frees the seat of').waitFor();
  // Enter cancels an action that can't be undone.
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await follow(page, 'Deactivate');
  await page.getByRole('dialog').getByRole('button', { name: 'Deactivate' }).click();
  await page.getByText('Machine deactivated.').waitFor();
  await page.getByText('0 of 3').waitFor();
}

async function licenseActions(page, key, api) {
  const id = new URL(page.url()).pathname.split('/').pop();
  const status = async () => (await api('GET', `/license-keys/${id}`)).status;
  const act = async (name, fill = async () => {}) => {
    await follow(page, name);
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await fill(dialog);
    await dialog.getByRole('button', { name, exact: true }).click();
  };
  await act('Suspend', (dialog) => dialog.getByLabel('Reason').fill('unpaid'));
  await page.getByText('License suspended.').waitFor();
  assert.equal(await status(), 'suspended');
  await press(page, 'Undo');
  await page.getByText('License reinstated.').waitFor();
  assert.equal(await status(), 'active');
  await act('Suspend');
  await page.getByText('License suspended.').waitFor();
  await act('Reinstate');
  await page.getByText('License reinstated.').waitFor();
  await act('Change tier or seats', async (dialog) => {
    await dialog.getByLabel('Seats', { exact: true }).selectOption('custom');
    await dialog.getByLabel('Number of seats').fill('many');
  });
  // A refused form and a preview stay in the dialog.
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('alert').waitFor();
  assert.equal(await dialog.getByLabel('Number of seats').inputValue(), 'many');
  await dialog.getByLabel('Number of seats').fill('7');
  await dialog.getByRole('button', { name: 'Change tier or seats' }).click();
  await dialog.getByText('3 seats → 7 seats').waitFor();
  assert.equal(new URL(page.url()).pathname, `/dashboard/license-keys/${id}`);
  await dialog.getByRole('button', { name: 'Change', exact: true }).click();
  await page.getByText('License changed. It has the tier Pro and 7 seats.').waitFor();
  await page.getByText('0 of 7').waitFor();
  await act('Renew', async (dialog) => {
    await dialog.getByLabel('Expires', { exact: true }).selectOption('date');
    await dialog.getByLabel('Expires at (UTC)').fill('2099-01-15T12:00');
  });
  await page.getByText('Jan 15, 2099, 12:00:00 PM UTC').waitFor();
  await act('Audit');
  await page.getByText('No issues found.').waitFor();
  await follow(page, 'View license');
  await act('Regenerate key');
  await heading(page, 'License key regenerated');
  assert.notEqual(await page.locator('.secret-value').textContent(), key);
  await follow(page, 'View license');
  await act('Revoke', (dialog) => dialog.getByLabel('Reason').fill('refund'));
  await page.getByText('“refund”').waitFor();
  assert.equal(await status(), 'revoked');
  await follow(page, 'History');
  for (const event of ['License issued', 'Machine activated', 'Machine deactivated', 'License suspended', 'License reinstated', 'License changed', 'License renewed', 'License audited', 'Key regenerated', 'License revoked']) {
    await page.getByText(event, { exact: true }).first().waitFor();
  }
}

async function accessKeys(page) {
  await go(page, 'API keys');
  await page.getByRole('link', { name: 'New API key' }).click();
  await page.locator('#main').getByLabel('Name').fill('ci');
  await press(page, 'Create API key');
  await page.getByRole('alert').getByText('Select at least one permission.').waitFor();
  assert.equal(await page.locator('#main').getByLabel('Name').inputValue(), 'ci');
  await page.locator('#main').getByLabel('Read licenses').check();
  await press(page, 'Create API key');
  await page.getByText(/signet_key_/).waitFor();
  await follow(page, 'View API keys');
  const row = page.getByRole('row').filter({ hasText: 'ci' }).filter({ hasText: 'Read licenses' });
  await row.getByRole('link', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByText('API key deleted.').waitFor();
  await go(page, 'Signing keys');
  await page.getByText('Active', { exact: true }).waitFor();
  await page.getByText('Next', { exact: true }).waitFor();
  await follow(page, 'Rotate keys');
  await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();
  // The next key has just been published, and apps need time to fetch it.
  await page.getByRole('dialog').getByRole('alert').waitFor();
  await page.getByRole('dialog').getByLabel(/Rotate now/).check();
  await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();
  await page.getByText('Signing keys rotated.').waitFor();
  await page.getByText('Verify only').waitFor();
}

async function signOut(page, base) {
  const menu = page.getByRole('button', { name: 'Menu' });
  if (await menu.isVisible()) await menu.click();
  const cookies = await page.context().cookies();
  await press(page, 'Sign out');
  await page.waitForURL(`${base}/dashboard/signed-out`);
  await heading(page, "You're signed out");
  // A copy of the session cookie is no longer valid.
  await page.context().addCookies(cookies.filter(({ name }) => name.endsWith('session')));
  await page.goto(`${base}/dashboard`);
  await page.waitForURL(/\/dev\/oidc\/authorize/);
}
