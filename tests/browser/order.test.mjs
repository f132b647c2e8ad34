// Lists that are put in order: by mouse, by touch, by keys, without a script, and by two people at once.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DESKTOP, isWell, launch, open, OPERATOR, PHONE, shop, signIn, stack } from './harness.mjs';

let browser;
let running;
let path;
before(async () => {
  browser = await launch();
  running = await stack();
  const { product } = await shop(running.api);
  path = `/dashboard/products/${product.id}`;
});
after(async () => {
  await browser.close();
  await running.stop();
});

const names = (page) => page.locator('.sortable > li').evaluateAll((rows) => rows.map((row) => row.dataset.name));
const grip = (page, name) => page.getByRole('button', { name: `Move ${name}`, exact: true });

async function atHome(options, use) {
  const page = await open(browser, options);
  try {
    await signIn(page, running.base, OPERATOR, path);
    await put(page, ['Basic', 'Pro', 'Team']);
    await use(page);
    isWell(page);
  } finally {
    await page.context().close();
  }
}

// Puts the list in an order, by the API, and shows it.
async function put(page, order) {
  const { items } = await running.api('GET', '/pricing-tiers?limit=100');
  for (const [index, name] of order.entries()) {
    const { id, code, product_id, feature_keys, created_at, updated_at, ...tier } = items.find((one) => one.name === name);
    await running.api('PUT', `/pricing-tiers/${id}`, { ...tier, sort_order: index });
  }
  await page.reload();
  assert.deepEqual(await names(page), order);
}

// The order holds on the page, on the server and after a reload.
async function isNow(page, order) {
  assert.deepEqual(await names(page), order);
  await page.reload();
  assert.deepEqual(await names(page), order);
}

const settled = (page) => page.evaluate(() => new Promise((go) => document.addEventListener('signet:settled', go, { once: true })));

async function middle(locator) {
  const box = await locator.boundingBox();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

test('by mouse', () => atHome(DESKTOP, async (page) => {
  const [from, to] = [await middle(grip(page, 'Team')), await middle(grip(page, 'Basic'))];
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y + 20, { steps: 5 });
  await page.mouse.move(to.x, to.y - 10, { steps: 5 });
  const sent = settled(page);
  await page.mouse.up();
  await sent;
  await isNow(page, ['Team', 'Basic', 'Pro']);
}));

test('by mouse, put back by Escape', () => atHome(DESKTOP, async (page) => {
  const [from, to] = [await middle(grip(page, 'Team')), await middle(grip(page, 'Basic'))];
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y - 10, { steps: 5 });
  await page.keyboard.press('Escape');
  await page.mouse.up();
  await isNow(page, ['Basic', 'Pro', 'Team']);
}));

test('by touch', () => atHome(PHONE, async (page) => {
  const [from, to] = [await middle(grip(page, 'Basic')), await middle(grip(page, 'Team'))];
  const finger = await page.context().newCDPSession(page);
  const touch = (type, y) => finger.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x: from.x, y }] });
  await touch('touchStart', from.y);
  for (let step = 1; step <= 8; step += 1) await touch('touchMove', from.y + ((to.y + 30 - from.y) * step) / 8);
  const sent = settled(page);
  await touch('touchEnd');
  await sent;
  await isNow(page, ['Pro', 'Team', 'Basic']);
}));

test('by keys', () => atHome(DESKTOP, async (page) => {
  const said = page.locator('[data-order-said]');
  await grip(page, 'Team').focus();
  await page.keyboard.press('Space');
  assert.match(await said.textContent(), /^Team picked up, 3 of 3/);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  assert.equal(await said.textContent(), 'Team, 1 of 3.');
  const sent = settled(page);
  await page.keyboard.press('Space');
  await sent;
  assert.equal(await said.textContent(), 'Team dropped, 1 of 3.');
  await isNow(page, ['Team', 'Basic', 'Pro']);
  await grip(page, 'Pro').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Escape');
  await isNow(page, ['Team', 'Basic', 'Pro']);
}));

test('by the buttons of a row', () => atHome(DESKTOP, async (page) => {
  const sent = settled(page);
  await page.getByRole('button', { name: 'Move Pro up' }).click();
  await sent;
  await isNow(page, ['Pro', 'Basic', 'Team']);
}));

test('without a script', () => atHome({ ...DESKTOP, javaScriptEnabled: false }, async (page) => {
  await page.getByRole('button', { name: 'Move Basic down' }).click();
  await page.waitForURL(running.base + path);
  await isNow(page, ['Pro', 'Basic', 'Team']);
}));

test('two people move the same list', () => atHome(DESKTOP, async (page) => {
  const other = await open(browser);
  await signIn(other, running.base, OPERATOR, path);
  assert.deepEqual(await names(other), ['Basic', 'Pro', 'Team']);
  const step = async (on, name) => {
    const sent = settled(on);
    await on.getByRole('button', { name, exact: true }).click();
    await sent;
  };
  // One puts Team before Pro; the other, who has not seen that, puts Basic at the end. Both hold.
  await step(page, 'Move Team up');
  await step(other, 'Move Basic down');
  const after = await names(other);
  assert.ok(after.indexOf('Team') < after.indexOf('Pro') && after.indexOf('Basic') < after.indexOf('Team') + 2, after.join());
  await isNow(other, after);
  await page.reload();
  assert.deepEqual(await names(page), after);
  // At once, too: whoever comes second moves what is there by then.
  await Promise.all([step(page, `Move ${after[2]} up`), step(other, `Move ${after[0]} down`)]);
  await page.reload();
  await other.reload();
  assert.deepEqual(await names(page), await names(other));
  await other.context().close();
}));

test('what can not be saved is put back', () => atHome(DESKTOP, async (page) => {
  await page.route('**/move', (route) => route.abort());
  const sent = settled(page);
  await page.getByRole('button', { name: 'Move Pro up' }).click();
  await sent;
  await page.getByText('It could not be moved. Try again.').waitFor();
  page.faults = page.faults.filter((fault) => !fault.includes('net::ERR_FAILED'));
  await isNow(page, ['Basic', 'Pro', 'Team']);
}));
