// Offline activation on a phone: a photo of the QR code becomes a license file. axe reports no violations.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { assertNoErrors, createCatalog, follow, heading, launch, open, OPERATOR, PHONE, press, signIn, stack } from './harness.mjs';

const CODE = `${process.env.DOCS}/assets/offline-request.svg`;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

// The QR code of the documentation, as on a photo: rotated, on a gray table.
async function photo() {
  const page = await browser.newPage({ viewport: { width: 700, height: 700 } });
  const style = 'margin: 0; background: #887; display: grid; place-items: center; height: 100vh';
  const svg = (await readFile(CODE, 'utf8')).replace(/^<\?xml.*?\?>/, '');
  await page.setContent(`<body style="${style}"><div style="rotate: 12deg">${svg}</div></body>`);
  const buffer = await page.screenshot({ type: 'jpeg' });
  await page.close();
  return { name: 'photo.jpg', mimeType: 'image/jpeg', buffer };
}

async function assertAccessible(page) {
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate((values) => axe.run(document, { runOnly: { type: 'tag', values } }), RULES);
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the screen');
}

for (const bypassCSP of [false, true]) {
  test(bypassCSP ? 'the pages of an offline activation are accessible' : 'a photo becomes a license file', async () => {
    const { base, api, stop } = await stack();
    const { tiers, issued } = await createCatalog(api);
    await api('PATCH', `/pricing-tiers/${tiers[1].id}`, { max_borrow_seconds: 30 * 86_400 });
    const page = await open(browser, { ...PHONE, bypassCSP });
    try {
      await signIn(page, base, OPERATOR, `/dashboard/license-keys/${issued.license.id}`);
      await follow(page, 'Activate an offline machine');
      await heading(page, 'Activate an offline machine');
      if (bypassCSP) await assertAccessible(page);

      await page.locator('#f-request').fill('not a request');
      await press(page, 'Create license file');
      await page.getByRole('alert').getByText('Request').waitFor();
      if (bypassCSP) await assertAccessible(page);

      await page.locator('#f-file').setInputFiles(await photo());
      await press(page, 'Create license file');
      await heading(page, 'License file');
      await page.getByText('build-07').waitFor();
      if (bypassCSP) await assertAccessible(page);
      const [file] = await Promise.all([page.waitForEvent('download'), follow(page, 'Download license file')]);
      assert.equal(file.suggestedFilename(), 'atlas.signet-license');
      const license = JSON.parse(await readFile(await file.path(), 'utf8'));
      assert.deepEqual([license.format, license.product], ['signet-license/1', 'atlas']);

      await follow(page, 'Back to license');
      await page.getByText('build-07').waitFor();
      assertNoErrors(page);
    } finally {
      await page.context().close();
      await stop();
    }
  });
}
