// Times are shown and entered in the browser's time zone, or in UTC without JavaScript.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createCatalog, DESKTOP, heading, launch, press, stack, usePage } from './harness.mjs';

const NEW_YORK = { ...DESKTOP, locale: 'en-US', timezoneId: 'America/New_York' };
const BERLIN = { ...DESKTOP, locale: 'en-GB', timezoneId: 'Europe/Berlin' };
const NO_SCRIPT = { ...NEW_YORK, javaScriptEnabled: false };

let browser;
let running;
let license;
before(async () => {
  browser = await launch();
  running = await stack();
  ({ license } = (await createCatalog(running.api)).issued);
  await expireAt('2099-01-15T12:00:00Z');
});
after(async () => {
  await browser.close();
  await running.stop();
});

const expireAt = (expires_at) => running.api('POST', `/license-keys/${license.id}/renew`, { expires_at });
const expiry = async () => (await running.api('GET', `/license-keys/${license.id}`)).expires_at;

const withPage = (options, path, use) => usePage(browser, running.base, options, path, use);

const licensePath = () => `/dashboard/license-keys/${license.id}`;
const renewPath = () => `${licensePath()}/renew`;

async function renew(form, value) {
  await form.getByLabel('Expires', { exact: true }).selectOption('date');
  await form.getByLabel(/^Expires at/).fill(value);
  await form.getByRole('button', { name: 'Renew' }).click();
}

test('times are shown in the zone of the browser, with UTC as the title', async () => {
  await withPage(NEW_YORK, licensePath(), async (page) => {
    const time = page.getByText('Jan 15, 2099, 7:00:00 AM EST');
    await time.waitFor();
    assert.equal(await time.getAttribute('title'), '2099-01-15 12:00:00 UTC');
    assert.equal(await time.getAttribute('datetime'), '2099-01-15T12:00:00Z');
  });
  await withPage(BERLIN, licensePath(), (page) => page.getByText('15 Jan 2099, 13:00:00 CET').waitFor());
  await withPage(NO_SCRIPT, licensePath(), (page) => page.getByText('15 Jan 2099, 12:00:00 UTC').waitFor());
});

test('a time is entered in the zone of the browser', () => withPage(NEW_YORK, licensePath(), async (page) => {
  await page.getByRole('link', { name: 'Renew' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Expires at (America/New York)').waitFor({ state: 'attached' });
  await renew(dialog, '2099-07-01T08:30');
  await page.getByText('Jul 1, 2099, 8:30:00 AM EDT').waitFor();
  assert.equal(await expiry(), '2099-07-01T12:30:00Z');
  await renewOnPage(page, '2099-01-01T08:30');
  assert.equal(await expiry(), '2099-01-01T13:30:00Z');
}));

async function renewOnPage(page, value) {
  await page.goto(running.base + renewPath());
  await renew(page.locator('#main'), value);
  await page.getByText('License renewed.').waitFor();
}

test('a time that the clocks skip is the time after it', () => withPage(BERLIN, renewPath(), async (page) => {
  // At 02:00 on this day, the clocks go to 03:00.
  await renewOnPage(page, '2027-03-28T02:30');
  assert.equal(await expiry(), '2027-03-28T01:30:00Z');
}));

test('without JavaScript, a time is entered in UTC', () => withPage(NO_SCRIPT, renewPath(), async (page) => {
  await page.locator('#main').getByLabel('Expires at (UTC)').waitFor({ state: 'attached' });
  await renewOnPage(page, '2099-07-01T08:30');
  assert.equal(await expiry(), '2099-07-01T08:30:00Z');
}));

test('a rejected form keeps the time that was entered', async () => {
  for (const [options, shown, label] of [[NEW_YORK, '2001-07-01T08:30', '(America/New York)'], [NO_SCRIPT, '2001-07-01T08:30', '(UTC)']]) {
    await withPage(options, renewPath(), async (page) => {
      const form = page.locator('#main');
      for (let round = 0; round < 2; round += 1) {
        // An expiry in the past is rejected.
        await renew(form, '2001-07-01T08:30');
        await page.getByRole('alert').waitFor();
        const input = form.getByLabel(`Expires at ${label}`);
        assert.equal((await input.inputValue()).slice(0, 16), shown);
      }
      await press(page, 'Renew');
      await page.getByRole('alert').waitFor();
      assert.equal((await form.getByLabel(/^Expires at/).inputValue()).slice(0, 16), shown);
    });
  }
});

test('a time survives the browser\'s back button', () => withPage(NEW_YORK, renewPath(), async (page) => {
  await page.locator('#main').getByLabel('Expires', { exact: true }).selectOption('date');
  await page.locator('#main').getByLabel(/^Expires at/).fill('2098-07-01T08:30');
  await page.goto(`${running.base}/dashboard/customers`);
  await page.goBack();
  await heading(page, 'Renew license');
  const input = page.locator('#main').getByLabel(/^Expires at/);
  const kept = await input.inputValue();
  assert.ok(['', '2098-07-01T08:30'].includes(kept), kept);
  if (!kept) await renew(page.locator('#main'), '2098-07-01T08:30');
  else await press(page, 'Renew');
  await page.getByText('License renewed.').waitFor();
  assert.equal(await expiry(), '2098-07-01T12:30:00Z');
}));

test('days of the activity filter are those of the browser, and stay in a shared link', async () => {
  let url;
  await withPage(BERLIN, '/dashboard/activity', async (page) => {
    await page.getByLabel('From (Europe/Berlin)').fill('2026-03-29');
    await page.getByLabel('To (Europe/Berlin)').fill('2026-03-29');
    await press(page, 'Filter');
    await page.waitForURL(/since=/);
    url = new URL(page.url());
    // The clocks change on this day.
    assert.equal(url.searchParams.get('since_offset'), '+01:00');
    assert.equal(url.searchParams.get('until_offset'), '+02:00');
  });
  await withPage(NEW_YORK, url.pathname + url.search, async (page) => {
    await page.getByLabel('From (UTC+01:00)').waitFor();
    await page.getByLabel('From (UTC+01:00)').fill('2026-01-15');
    await page.getByLabel('From (America/New York)').waitFor();
  });
});
