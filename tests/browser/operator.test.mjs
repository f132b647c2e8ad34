// The operator's day, from an empty installation, on a desktop and on a phone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { activate, DESKTOP, follow, go, heading, isWell, launch, open, OPERATOR, PHONE, press, signIn, stack } from './harness.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

for (const [screen, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  test(`an operator's day on a ${screen}`, async () => {
    const { base, api, stop } = await stack();
    const page = await open(browser, options);
    try {
      await signIn(page, base, OPERATOR);
      await page.getByText('Begin with a product').waitFor();
      await catalog(page);
      const key = await sale(page);
      await machines(page, api, key);
      await states(page, key, api);
      await keys(page);
      await go(page, 'Health');
      await page.getByText('All is well').waitFor();
      await leave(page, base);
      isWell(page);
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
  // What was typed is there, and what is wrong stands at its field.
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
    await page.getByText('Created.').waitFor();
  }
  await follow(page, 'Pricing tiers');
  for (const [code, name, feature, base] of [['basic', 'Basic', 'PDF export', 'No other tier'], ['pro', 'Pro', 'Zoom', 'Basic']]) {
    await page.getByRole('link', { name: 'New tier' }).first().click();
    await page.locator('#main').getByLabel('Code').fill(code);
    await page.locator('#main').getByLabel('Name').fill(name);
    await page.locator('#main').getByLabel('Includes').selectOption({ label: base });
    await page.locator('#main').getByLabel(feature).check();
    await page.locator('#main').getByLabel('Seats').fill('3');
    await page.locator('#main').getByLabel('Price a month').fill('19.90');
    await page.locator('#main').getByLabel('Price a year').fill('199');
    await press(page, 'Create tier');
    await page.getByText('Created.').waitFor();
  }
  await page.getByText('EUR 19.90 a month, EUR 199.00 a year').first().waitFor();
  await follow(page, 'Who includes whom');
  await page.getByText('PDF export from Basic').waitFor();
}

// Gives the key string that was shown.
async function sale(page) {
  await go(page, 'Customers');
  await page.getByRole('link', { name: 'New customer' }).first().click();
  await page.locator('#main').getByLabel('Name').fill('Mary Shelley');
  await page.locator('#main').getByLabel('E-mail').fill('mary@example.com');
  await press(page, 'Create customer');
  await heading(page, 'Mary Shelley');
  await page.getByRole('link', { name: 'Issue a key' }).first().click();
  assert.equal(await page.locator('#main').getByLabel('Customer’s e-mail address').inputValue(), 'mary@example.com');
  await page.locator('#main').getByLabel('Tier').selectOption({ label: 'Atlas Pro – 3 seats' });
  await press(page, 'Issue the key');
  await heading(page, 'Here is the key string');
  const shown = await page.locator('.secret-text').textContent();
  await press(page, 'Copy the key');
  await page.getByText('Copied.').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), shown);
  // Sent again, the form shows the same key and issues no other.
  await page.reload();
  assert.equal(await page.locator('.secret-text').textContent(), shown);
  await follow(page, 'Go to the license key');
  return shown;
}

async function machines(page, api, key) {
  const { activation } = await activate(api, key, 'machine-1', 'Build server');
  assert.equal(activation.status, 'active');
  // A key string is found, and stands in no address.
  const menu = page.getByRole('button', { name: 'Menu' });
  if (await menu.isVisible()) await menu.click();
  await page.getByRole('searchbox').fill(` ${key.toLowerCase()} `);
  await page.keyboard.press('Enter');
  await page.getByText('Build server').waitFor();
  assert.ok(!page.url().toUpperCase().includes(key.slice(-5)));
  await page.getByText('1 of 3').waitFor();
  await follow(page, 'Free the seat');
  await page.getByRole('dialog').getByText('gives up its seat at once').waitFor();
  await page.getByRole('dialog').getByRole('link', { name: 'Cancel' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await follow(page, 'Free the seat');
  await page.getByRole('dialog').getByRole('button', { name: 'Free the seat' }).click();
  await page.getByText('The seat is free.').waitFor();
  await page.getByText('0 of 3').waitFor();
}

async function states(page, key, api) {
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
  await page.getByText('Suspended.', { exact: true }).waitFor();
  assert.equal(await status(), 'suspended');
  await act('Reinstate');
  await page.getByText('Reinstated.').waitFor();
  await act('Change', async (dialog) => {
    await dialog.getByLabel('Number of seats').fill('7');
  });
  await page.getByText('0 of 7').waitFor();
  await act('Renew', async (dialog) => {
    await dialog.getByLabel('Ends', { exact: true }).selectOption('time');
    await dialog.getByLabel('At this time, in UTC').fill('2099-01-15T12:00');
  });
  await page.getByText('2099-01-15 12:00:00 UTC').waitFor();
  await act('Audit');
  await page.getByText('All is as it should be.').waitFor();
  await follow(page, 'Go to the license key');
  await act('New key string');
  await heading(page, 'Here is the key string');
  assert.notEqual(await page.locator('.secret-text').textContent(), key);
  await follow(page, 'Go to the license key');
  await act('Revoke', (dialog) => dialog.getByLabel('Reason').fill('refund'));
  await page.getByText('“refund”').waitFor();
  assert.equal(await status(), 'revoked');
  await follow(page, 'History');
  for (const event of ['Issued', 'Machine activated', 'Machine deactivated', 'Suspended', 'Reinstated', 'Changed', 'Renewed', 'Audited', 'New key string', 'Revoked']) {
    await page.getByText(event, { exact: true }).first().waitFor();
  }
}

async function keys(page) {
  await go(page, 'API keys');
  await page.getByRole('link', { name: 'New API key' }).click();
  await page.locator('#main').getByLabel('Name').fill('ci');
  await press(page, 'Create API key');
  // One scope at least, the API says.
  await page.getByRole('alert').waitFor();
  assert.equal(await page.locator('#main').getByLabel('Name').inputValue(), 'ci');
  await page.locator('#main').getByLabel('Read license keys').check();
  await press(page, 'Create API key');
  await page.getByText(/signet_key_/).waitFor();
  await follow(page, 'Go to the API keys');
  const row = page.getByRole('row').filter({ hasText: 'ci' }).filter({ hasText: 'Read license keys' });
  await row.getByRole('link', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete it' }).click();
  await page.getByText('Deleted.').waitFor();
  await go(page, 'Signing keys');
  await page.getByText('Current: signs').waitFor();
  await page.getByText('Next: published').waitFor();
  await follow(page, 'Rotate now');
  await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();
  // The next key was published a moment ago: it has to be known before it signs.
  await page.getByRole('alert').waitFor();
  await page.locator('#main').getByLabel(/At once/).check();
  await press(page, 'Rotate');
  await page.getByText('Rotated.').waitFor();
  await page.getByText('Previous: verifies').waitFor();
}

async function leave(page, base) {
  const menu = page.getByRole('button', { name: 'Menu' });
  if (await menu.isVisible()) await menu.click();
  const cookies = await page.context().cookies();
  await press(page, 'Sign out');
  await page.waitForURL(`${base}/dashboard/signed-out`);
  await heading(page, 'You are signed out');
  // Nor does a copy of the cookie that somebody made let anybody in.
  await page.context().addCookies(cookies.filter(({ name }) => name.endsWith('session')));
  await page.goto(`${base}/dashboard`);
  await page.waitForURL(/\/dev\/oidc\/authorize/);
}
