// Checks every page in both themes on desktop and phone: axe reports no violations, nothing overflows horizontally, the
// layout does not shift, and the page with all its resources is smaller than 100 KB.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { DESKTOP, assertNoErrors, launch, open, PHONE, signIn, stack } from './harness.mjs';
import { allPages } from './pages.mjs';

const RULES = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
// The dark theme changes colors only.
const COLOR_RULES = { type: 'rule', values: ['color-contrast'] };
const MAX_BYTES = 100_000;

let browser;
let running;
let pages;
let axe;
before(async () => {
  browser = await launch();
  running = await stack('--demo');
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const page = await open(browser);
  pages = await allPages(page, running.base, running.api);
  await page.context().close();
});
after(async () => {
  await browser.close();
  await running.stop();
});

for (const [screen, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`every page on a ${screen}, ${colorScheme}`, async () => {
      for (const [user, paths] of Object.entries(pages)) {
        // The content security policy would also block axe.
        const page = await open(browser, { ...options, colorScheme, bypassCSP: true });
        await signIn(page, running.base, user);
        const rules = colorScheme === 'dark' ? COLOR_RULES : RULES;
        for (const [name, path] of Object.entries(paths)) await checkPage(page, `${name}, ${screen}, ${colorScheme}`, path, rules);
        assertNoErrors(page);
        await page.context().close();
      }
    });
  }
}

async function checkPage(page, name, path, rules) {
  await page.goto(running.base + path, { waitUntil: 'load' });
  const layout = await page.evaluate(async () => {
    const shift = await new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => { for (const entry of list.getEntries()) sum += entry.value; }).observe({ type: 'layout-shift', buffered: true });
      setTimeout(() => resolve(sum), 60);
    });
    return { shift, overflow: document.documentElement.scrollWidth - innerWidth };
  });
  assert.ok(layout.overflow <= 0, `${name} is ${layout.overflow} px wider than the screen`);
  assert.ok(layout.shift < 0.02, `${name} has a layout shift of ${layout.shift}`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate((runOnly) => axe.run(document, { runOnly }), rules);
  const messages = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ').slice(0, 300)}`);
  assert.deepEqual(messages, [], name);
}

test('every page with its resources is smaller than 100 KB', async () => {
  for (const [user, paths] of Object.entries(pages)) {
    const page = await open(browser);
    await signIn(page, running.base, user);
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    let bytes;
    session.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; });
    for (const [name, path] of Object.entries(paths)) {
      // Measures a first visit, with an empty cache.
      await session.send('Network.clearBrowserCache');
      bytes = 0;
      await page.goto(running.base + path, { waitUntil: 'load' });
      assert.ok(bytes > 3000 && bytes < MAX_BYTES, `${name} has ${bytes} bytes`);
    }
    await page.context().close();
  }
});
