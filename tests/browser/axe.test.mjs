// Checks every page in both themes on desktop and phone: axe reports no violations, the layout does not shift, and the page
// with all its resources is smaller than 100 KB. At all widths, nothing overflows horizontally, and words stay whole.

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
// A zoom of 200 % on a screen of 1440 px is a width of 720.
const WIDTHS = [360, 720, 820, 960, 1100, 1440, 1920];
// Longer texts without spaces, such as ids, addresses and keys, may break: no column has room for all of them.
const MAX_WHOLE_WORD = 20;

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

test('every page fits at all widths', async () => {
  const problems = [];
  for (const [user, paths] of Object.entries(pages)) {
    const page = await open(browser);
    await signIn(page, running.base, user);
    for (const [name, path] of Object.entries(paths)) {
      await page.goto(running.base + path, { waitUntil: 'load' });
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        const found = await page.evaluate(findOverflow, MAX_WHOLE_WORD);
        problems.push(...found.map((problem) => `${name}, ${width} px: ${problem}`));
      }
    }
    await page.context().close();
  }
  assert.deepEqual(problems, []);
});

// Runs in the browser. Returns what is wider than the screen or than its container, words that break inside, and buttons
// that touch what is above them.
function findOverflow(maxWholeWord) {
  const problems = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) problems.push(`the page is ${root.scrollWidth - innerWidth} px too wide`);
  for (const container of document.querySelectorAll('.table-container, .tabs, .card, .list, .chart, dialog')) {
    const excess = container.scrollWidth - container.clientWidth;
    if (excess > 0) problems.push(`${container.className} is ${excess} px too wide`);
  }
  for (const button of document.querySelectorAll('main .button')) {
    const group = button.closest('.actions, .form-actions, form') ?? button;
    const above = group.previousElementSibling;
    if (!above?.checkVisibility() || !group.checkVisibility()) continue;
    const gap = group.getBoundingClientRect().top - above.getBoundingClientRect().bottom;
    if (gap > -4 && gap < 4 && above.getClientRects().length) problems.push(`"${button.textContent}" touches what is above it`);
  }
  const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!text.parentElement.checkVisibility({ visibilityProperty: true }) || text.parentElement.closest('pre, .visually-hidden, thead')) continue;
    const mayBreak = [...text.data.matchAll(/\S+/g)].filter(({ 0: token }) => token.length > maxWholeWord);
    for (const { 0: word, index } of text.data.matchAll(/[\p{L}\p{N}]+/gu)) {
      if (mayBreak.some((token) => token.index <= index && index < token.index + token[0].length)) continue;
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const lines = new Set([...range.getClientRects()].map((rect) => Math.round(rect.top)));
      if (lines.size > 1) problems.push(`"${word}" breaks in "${text.data.trim().slice(0, 60)}"`);
    }
  }
  return problems;
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
