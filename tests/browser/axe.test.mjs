// Every page, in both themes, on a desktop and on a phone: axe finds nothing, nothing is wider than the screen, nothing
// moves after it was drawn, and it arrives within 100 KB.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { DESKTOP, isWell, launch, open, PHONE, signIn, stack } from './harness.mjs';
import { everyPage } from './pages.mjs';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const MOST_BYTES = 100_000;

let browser;
let running;
let pages;
let axe;
before(async () => {
  browser = await launch();
  running = await stack('--demo');
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const page = await open(browser);
  pages = await everyPage(page, running.base, running.api);
  await page.context().close();
});
after(async () => {
  await browser.close();
  await running.stop();
});

for (const [screen, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`every page on a ${screen}, ${colorScheme}`, async () => {
      for (const [who, paths] of Object.entries(pages)) {
        // The policy of a page forbids the script that looks at it, too.
        const page = await open(browser, { ...options, colorScheme, bypassCSP: true });
        await signIn(page, running.base, who);
        for (const [name, path] of Object.entries(paths)) await look(page, `${name}, ${screen}, ${colorScheme}`, path);
        isWell(page);
        await page.context().close();
      }
    });
  }
}

async function look(page, name, path) {
  await page.goto(running.base + path, { waitUntil: 'load' });
  const seen = await page.evaluate(async () => {
    const shift = await new Promise((told) => {
      let sum = 0;
      new PerformanceObserver((list) => { for (const entry of list.getEntries()) sum += entry.value; }).observe({ type: 'layout-shift', buffered: true });
      setTimeout(() => told(sum), 60);
    });
    return { shift, wide: document.documentElement.scrollWidth - innerWidth };
  });
  assert.ok(seen.wide <= 0, `${name} is ${seen.wide} px wider than the screen`);
  assert.ok(seen.shift < 0.02, `${name} moves by ${seen.shift}`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => axe.run(document, { runOnly: { type: 'tag', values } }), RULES);
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ').slice(0, 300)}`);
  assert.deepEqual(told, [], name);
}

test('every page arrives within 100 KB, all that it loads included', async () => {
  for (const [who, paths] of Object.entries(pages)) {
    for (const [name, path] of Object.entries(paths)) {
      const page = await open(browser);
      await signIn(page, running.base, who);
      // As somebody sees it who has never been here: nothing is in the browser's memory.
      const wire = await page.context().newCDPSession(page);
      await wire.send('Network.enable');
      await wire.send('Network.clearBrowserCache');
      let bytes = 0;
      wire.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; });
      await page.goto(running.base + path, { waitUntil: 'load' });
      assert.ok(bytes > 3000 && bytes < MOST_BYTES, `${name} has ${bytes} bytes`);
      await page.context().close();
    }
  }
});
