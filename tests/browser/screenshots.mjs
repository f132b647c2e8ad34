// Takes a screenshot of every page in both themes, at widths of 360, 768 and 1440 pixels, and three for the README and the
// documentation.
//
//   node screenshots.mjs DIR DOCS_DIR

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launch, open, signIn, stack } from './harness.mjs';
import { allPages } from './pages.mjs';

const [folder, docs] = process.argv.slice(2);
const SIZES = [[360, 780], [768, 1024], [1440, 900]];
const IN_DOCS = { overview: 'overview', hierarchy: 'tiers', catalog: 'catalog' };

await mkdir(folder, { recursive: true });
await mkdir(docs, { recursive: true });
const browser = await launch();
const running = await stack('--demo');
try {
  const first = await open(browser);
  const pages = await allPages(first, running.base, running.api);
  await first.context().close();
  for (const colorScheme of ['light', 'dark']) {
    for (const [user, paths] of Object.entries(pages)) {
      const page = await open(browser, { colorScheme, reducedMotion: 'reduce' });
      await signIn(page, running.base, user);
      for (const [width, height] of SIZES) {
        await page.setViewportSize({ width, height });
        for (const [name, path] of Object.entries(paths)) {
          await page.goto(running.base + path, { waitUntil: 'load' });
          await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        }
      }
      await page.context().close();
    }
  }
  for (const [name, as] of Object.entries(IN_DOCS)) {
    const page = await open(browser, { viewport: { width: 1200, height: 750 }, colorScheme: 'light' });
    const [user, paths] = Object.entries(pages).find(([, all]) => name in all);
    await signIn(page, running.base, user, paths[name]);
    await page.waitForLoadState('load');
    await page.screenshot({ path: join(docs, `${as}.png`) });
    await page.context().close();
  }
  console.log(`screenshots of every page are in ${folder}, those of the documentation in ${docs}`);
} finally {
  await browser.close();
  await running.stop();
}
