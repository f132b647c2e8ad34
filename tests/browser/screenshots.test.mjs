// Compares screenshots of the main pages with those in tests/browser/screenshots, so that a changed look is seen in review.
// After an intended change, write them again, look at them, and commit them:
//
//   UPDATE_SCREENSHOTS=1 tests/browser.sh screenshots.test.mjs
//
// The images have half the size of the pages. They are compared in squares of 16 px of the page, by their mean color: other
// antialiasing passes, a block that has moved or is missing does not. Ids, times and keys, which differ in each run, are
// replaced by fixed text. Other fonts move everything, so the test is skipped on machines that have them.

import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, open, signIn, stack } from './harness.mjs';
import { allPages } from './pages.mjs';

const FOLDER = process.env.SCREENSHOTS;
const CHANGED = join(process.cwd(), 'changed-screenshots');
const IS_UPDATE = process.env.UPDATE_SCREENSHOTS === '1';
const PAGES = [
  'overview', 'tiers', 'customers', 'license-keys', 'license-key', 'license-key-new', 'signing-keys', 'webhooks', 'activity',
  'licenses', 'license', 'catalog',
];
const SIZES = [[360, 1000], [820, 900], [1440, 900]];
// The largest difference of a square's mean color, of 255, and how many squares may differ by more.
const MAX_DIFFERENCE = 12;
const MAX_SQUARES = 8;
// How much the width of a text in the fonts of the screenshots may differ.
const MAX_FONT_DIFFERENCE = 0.005;

let browser;
let running;
let paths;
let comparer;
let otherFonts;
before(async () => {
  browser = await launch();
  running = await stack('--demo');
  const page = await open(browser);
  paths = await allPages(page, running.base, running.api);
  await page.context().close();
  comparer = await open(browser);
  const fonts = await comparer.evaluate(measureFonts);
  const file = join(FOLDER, 'fonts.json');
  if (IS_UPDATE) {
    await mkdir(FOLDER, { recursive: true });
    await writeFile(file, `${JSON.stringify(fonts)}\n`);
  }
  const expected = JSON.parse(await readFile(file, 'utf8'));
  otherFonts = fonts.some((width, at) => Math.abs(width / expected[at] - 1) > MAX_FONT_DIFFERENCE);
  await rm(CHANGED, { recursive: true, force: true });
});
after(async () => {
  await browser.close();
  await running.stop();
});

for (const colorScheme of ['light', 'dark']) {
  test(`the main pages look as in the committed screenshots, ${colorScheme}`, async (context) => {
    if (otherFonts) return context.skip('the fonts of this machine are not those of the screenshots');
    const changed = [];
    for (const [user, own] of Object.entries(paths)) {
      const options = { colorScheme, reducedMotion: 'reduce', locale: 'en-US', timezoneId: 'UTC' };
      const page = await open(browser, options);
      await signIn(page, running.base, user);
      for (const name of PAGES.filter((one) => one in own)) {
        await openPage(page, name, own[name]);
        for (const [width, height] of SIZES) {
          await page.setViewportSize({ width, height });
          const difference = await check(`${name}-${width}-${colorScheme}.jpg`, await page.screenshot({ animations: 'disabled' }));
          if (difference) changed.push(difference);
        }
      }
      await page.context().close();
    }
    const hint = `The images are in ${CHANGED}. If the change is intended: UPDATE_SCREENSHOTS=1 tests/browser.sh screenshots.test.mjs`;
    assert.deepEqual(changed, [], hint);
  });
}

async function openPage(page, name, path) {
  for (let tries = 0; ; tries += 1) {
    await page.goto(running.base + path, { waitUntil: 'load' });
    // The first statistics are made soon after the start.
    if (name !== 'overview' || await page.locator('.stat-grid').count()) break;
    assert.ok(tries < 60, 'there are no statistics');
    await page.waitForTimeout(500);
  }
  await page.evaluate(fixTexts);
}

// Compares an image with the committed one, or writes it. Returns a description of the difference.
async function check(name, image) {
  const small = Buffer.from(await comparer.evaluate(halve, image.toString('base64')), 'base64');
  if (IS_UPDATE) return void await writeFile(join(FOLDER, name), small);
  const committed = await readFile(join(FOLDER, name)).catch(() => null);
  const squares = committed
    ? await comparer.evaluate(countDifferentSquares, [small.toString('base64'), committed.toString('base64'), MAX_DIFFERENCE])
    : Infinity;
  if (squares <= MAX_SQUARES) return undefined;
  await mkdir(CHANGED, { recursive: true });
  await writeFile(join(CHANGED, name), small);
  return committed ? `${name}: ${squares} squares differ` : `${name} is not committed`;
}

// The following functions run in the browser.

// The widths of a text in the fonts of pages.
function measureFonts() {
  const context = document.createElement('canvas').getContext('2d');
  return ['400 100px system-ui', '650 100px system-ui', '500 100px ui-monospace, Menlo, Consolas, "Liberation Mono", monospace'].map((font) => {
    context.font = font;
    return context.measureText('Licenses, 0123456789 Signing keys').width;
  });
}

// Replaces what differs in each run.
function fixTexts() {
  const times = { date: 'Jan 15, 2026', datetime: 'Jan 15, 2026, 9:41 AM', exact: 'Jan 15, 2026, 9:41:00 AM UTC' };
  for (const time of document.querySelectorAll('time')) time.textContent = times[time.dataset.format] ?? '5 minutes';
  for (const chart of document.querySelectorAll('.chart svg')) chart.replaceChildren();
  // Statistics are updated every minute, and may not have counted yet what the test has added.
  for (const number of document.querySelectorAll('.stat-value, .chart-total')) number.textContent = '7';
  for (const row of document.querySelectorAll('.columns tbody tr:nth-child(n + 2)')) row.remove();
  const replacements = [
    [/([A-Z]{3,})-…-\w+/g, '$1-…-00000'],
    [/\b([a-z]{2,6})_[0-9A-Za-z]{20,}/g, (_, prefix) => `${prefix}_${'0'.repeat(26)}`],
    [/[\w-]{43}/g, 'k'.repeat(43)],
    [/…[\w-]{6}\b/g, '…000000'],
    // The first events of keys have the same time, and no order.
    [/Signing key (created|published|activated)/g, 'Signing key event'],
    [/127\.0\.0\.1:\d+/g, '127.0.0.1:8080'],
    [/[A-Z][a-z]{2} \d+, \d{4}|\d+ [A-Z][a-z]{2} \d{4}/g, 'Jan 15, 2026'],
  ];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const [pattern, text] of replacements) texts.currentNode.data = texts.currentNode.data.replace(pattern, text);
  }
}

async function halve(image) {
  const bytes = Uint8Array.from(atob(image), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [bitmap.width / 2, bitmap.height / 2];
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.6).split(',')[1];
}

// Counts the squares of 8 px whose mean colors differ.
async function countDifferentSquares([actual, committed, maxDifference]) {
  const SQUARE = 8;
  const read = async (image) => {
    const bytes = Uint8Array.from(atob(image), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
  };
  const images = [await read(actual), await read(committed)];
  const [{ width, height }] = images;
  if (images[1].width !== width || images[1].height !== height) return Infinity;
  const mean = ({ data }, left, top, channel) => {
    let [sum, count] = [0, 0];
    for (let y = top; y < Math.min(top + SQUARE, height); y += 1) {
      for (let x = left; x < Math.min(left + SQUARE, width); x += 1, count += 1) sum += data[(y * width + x) * 4 + channel];
    }
    return sum / count;
  };
  let different = 0;
  for (let top = 0; top < height; top += SQUARE) {
    for (let left = 0; left < width; left += SQUARE) {
      const isDifferent = [0, 1, 2].some((channel) => Math.abs(mean(images[0], left, top, channel) - mean(images[1], left, top, channel)) > maxDifference);
      if (isDifferent) different += 1;
    }
  }
  return different;
}
