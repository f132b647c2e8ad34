// What users choose about the look of pages, and what their system asks for: density, high contrast, reduced motion.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DESKTOP, launch, press, stack, usePage } from './harness.mjs';

let browser;
let running;
before(async () => {
  browser = await launch();
  running = await stack('--demo');
});
after(async () => {
  await browser.close();
  await running.stop();
});

const withPage = (options, path, use, own = browser) => usePage(own, running.base, { ...DESKTOP, ...options }, path, use);

const rowHeight = async (page) => (await page.locator('tbody tr').first().boundingBox()).height;

test('compact rows are less high, and the choice is kept', () => withPage({}, '/dashboard/customers', async (page) => {
  const comfortable = await rowHeight(page);
  await page.getByLabel('Density').selectOption('compact');
  await page.locator('[data-density="compact"]').waitFor();
  const compact = await rowHeight(page);
  assert.ok(compact <= comfortable - 10, `${compact} of ${comfortable} px`);
  await page.goto(`${running.base}/dashboard/license-keys`);
  assert.equal(await page.locator('html').getAttribute('data-density'), 'compact');
  await page.getByLabel('Theme').selectOption('dark');
  await page.locator('[data-theme="dark"][data-density="compact"]').waitFor();
}));

test('density can be chosen without JavaScript', () => withPage({ javaScriptEnabled: false }, '/dashboard/customers', async (page) => {
  await page.getByLabel('Density').selectOption('compact');
  await press(page, 'Apply');
  assert.equal(await page.locator('html').getAttribute('data-density'), 'compact');
  assert.ok(page.url().endsWith('/dashboard/customers'));
}));

test('lists use the width of large screens', () => withPage({ viewport: { width: 1920, height: 1000 } }, '/dashboard/license-keys', async (page) => {
  const { x, width } = await page.locator('.table-container').boundingBox();
  assert.ok(1920 - x - width <= 60, `${1920 - x - width} px are empty`);
}));

test('the backdrop of a dialog reaches the edge of the window', async () => {
  // Headless Chromium hides scrollbars, and so their gutter.
  const own = await launch({ ignoreDefaultArgs: ['--hide-scrollbars'] });
  try {
    await withPage({ viewport: { width: 1200, height: 2400 } }, '/dashboard/license-keys', async (page) => {
      await page.locator('tbody a').first().click();
      await page.getByRole('link', { name: 'Suspend' }).click();
      await page.getByRole('dialog').waitFor();
      const gutter = await page.evaluate(() => innerWidth - document.body.getBoundingClientRect().right);
      assert.ok(gutter > 0, 'the page reserves no gutter');
      const image = (await page.screenshot({ clip: { x: 1200 - gutter - 8, y: 2300, width: gutter + 8, height: 4 } })).toString('base64');
      const colors = await page.evaluate(async (data) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
        context.drawImage(bitmap, 0, 0);
        const at = (x) => [...context.getImageData(x, 2, 1, 1).data];
        return [at(0), at(bitmap.width - 2)];
      }, image);
      for (const [channel, value] of colors[0].entries()) {
        assert.ok(Math.abs(value - colors[1][channel]) <= 4, `${colors[0]} beside ${colors[1]}`);
      }
    }, own);
  } finally {
    await own.close();
  }
});

test('in high contrast, the current page and statuses are marked by more than colors', () => withPage({ forcedColors: 'active' }, '/dashboard/license-keys', async (page) => {
  const style = (selector, property) => page.locator(selector).first().evaluate((element, name) => getComputedStyle(element)[name], property);
  assert.equal(await style('.nav-links [aria-current]', 'outlineStyle'), 'solid');
  assert.equal(await style('td .badge', 'borderTopWidth'), '1px');
  await page.locator('tbody a').first().click();
  assert.notEqual(await style('.meter-fill', 'fill'), await style('.meter-track', 'fill'));
}));

test('nothing moves if the system asks for reduced motion', () => withPage({ reducedMotion: 'reduce' }, '/dashboard', async (page) => {
  const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((element) => {
    const { animationName, transitionDuration, transitionProperty } = getComputedStyle(element);
    return animationName !== 'none' || (transitionProperty !== 'none' && transitionDuration !== '0s');
  }).length);
  assert.equal(moving, 0);
}));

test('text follows the font size that the user has set in the browser', () => withPage({}, '/dashboard/customers', async (page) => {
  const size = () => page.locator('td').first().evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
  const before = await size();
  await page.evaluate(() => { document.documentElement.style.fontSize = '32px'; });
  assert.equal(await size(), before * 2);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page overflows');
  page.errors = page.errors.filter((error) => !/style/.test(error));
}));
