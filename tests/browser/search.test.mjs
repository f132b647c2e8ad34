// The search and the command palette: by keyboard, with a screen reader's roles, and without scripts.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { DESKTOP, OPERATOR, PHONE, activate, assertNoErrors, createCatalog, heading, launch, open, signIn, stack } from './harness.mjs';

// With SEARCH_CUSTOMERS=10000, the test takes some minutes.
const CUSTOMERS = Number(process.env.SEARCH_CUSTOMERS ?? 300);

let browser;
let running;
let catalog;
let axe;
before(async () => {
  browser = await launch();
  running = await stack();
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const { base, api } = running;
  catalog = await createCatalog(api);
  await activate(api, catalog.issued.license_key, 'm-1', 'Zürich laptop');
  for (let start = 0; start < CUSTOMERS; start += 500) {
    const line = (number) => JSON.stringify({
      type: 'customer', external_id: `crm-${number}`, name: `Person ${number} Example`, email: `p${number}@example.com`,
    });
    const lines = Array.from({ length: Math.min(500, CUSTOMERS - start) }, (_, at) => line(start + at));
    await importLines(base, lines.join('\n'));
  }
});
after(async () => {
  await browser.close();
  await running.stop();
});

async function importLines(base, body) {
  const { operator_api_key } = running.local;
  const headers = { 'x-api-key': operator_api_key, 'content-type': 'application/x-ndjson' };
  for (let rest = body; rest;) {
    const response = await fetch(`${base}/api/v1.0/imports`, { method: 'POST', headers, body: rest });
    const report = await response.json();
    assert.equal(report.failed, 0, JSON.stringify(report));
    rest = report.next_line ? rest.split('\n').slice(report.next_line - 1).join('\n') : '';
  }
}

const combobox = (page) => page.getByRole('combobox', { name: 'Search' });
const option = (page, name) => page.getByRole('option', { name });

// Types a text until it is found: words are written shortly after a change.
async function find(page, text, name) {
  for (let tries = 0; tries < 200; tries += 1) {
    await combobox(page).fill('');
    await combobox(page).pressSequentially(text);
    const found = await option(page, name).first().waitFor({ timeout: 1000 }).then(() => true, () => false);
    if (found) return;
    await pause(300);
  }
  assert.fail(`${text} does not find ${name}`);
}

test('the palette finds customers, licenses, machines, pages and actions by keyboard', async () => {
  const page = await open(browser);
  await signIn(page, running.base, OPERATOR, '/dashboard/customers');
  await page.keyboard.press('Control+k');
  await find(page, `${CUSTOMERS - 1} pers`, /Person/);
  assert.ok(page.url().endsWith('/dashboard/customers'), 'the text is in no URL');
  await page.keyboard.press('Enter');
  await heading(page, `Person ${CUSTOMERS - 1} Example`);
  await page.keyboard.press('/');
  await find(page, 'zurich', /Zürich laptop/);
  await combobox(page).fill('shell');
  await option(page, /Mary Shelley/).waitFor();
  await combobox(page).fill('webhook');
  await option(page, /Webhooks/).waitFor();
  const selected = () => page.locator('[aria-selected="true"]').textContent();
  assert.equal(await selected(), 'Webhooks');
  await page.keyboard.press('ArrowDown');
  assert.equal(await selected(), 'New webhook endpoint');
  await page.keyboard.press('ArrowDown');
  assert.equal(await selected(), 'Webhooks', 'after the last comes the first');
  await page.keyboard.press('ArrowUp');
  const active = await combobox(page).getAttribute('aria-activedescendant');
  assert.equal(await page.locator(`#${active}`).textContent(), 'New webhook endpoint');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#palette').isVisible(), false);
  // A field keeps the key "/".
  await page.goto(`${running.base}/dashboard/customers/new`);
  const name = page.getByLabel('Name');
  await name.fill('');
  await name.pressSequentially('a/b');
  assert.equal(await name.inputValue(), 'a/b');
  assertNoErrors(page);
  await page.context().close();
});

test('Enter waits for the results of the whole text', async () => {
  const page = await open(browser);
  await signIn(page, running.base, OPERATOR);
  await page.keyboard.press('/');
  await find(page, 'shelley', /Mary Shelley/);
  await combobox(page).fill('');
  await combobox(page).pressSequentially('shelley');
  await page.keyboard.press('Enter');
  await heading(page, 'Mary Shelley');
  await page.context().close();
});

for (const [screen, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`the palette is accessible on a ${screen}, ${colorScheme}`, async () => {
      const page = await open(browser, { ...options, colorScheme, bypassCSP: true });
      await signIn(page, running.base, OPERATOR);
      await page.keyboard.press('Control+k');
      for (const text of ['', 'person', 'xyzxyz']) {
        await combobox(page).fill(text);
        await pause(600);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run('#palette'));
        assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `"${text}"`);
      }
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${overflow} px`);
      await page.context().close();
    });
  }
}

test('the search form works without scripts', async () => {
  const page = await open(browser, { ...DESKTOP, javaScriptEnabled: false });
  await signIn(page, running.base, OPERATOR);
  await page.getByRole('searchbox').fill('webh');
  await page.keyboard.press('Enter');
  await heading(page, 'Search');
  await page.getByRole('main').getByRole('link', { name: 'New webhook endpoint' }).waitFor();
  assert.ok(page.url().endsWith('/dashboard/search'));
  await page.getByRole('searchbox').fill('shelley');
  await page.keyboard.press('Enter');
  await heading(page, 'Mary Shelley');
  await page.context().close();
});
