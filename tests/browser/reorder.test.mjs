// Reorderable lists: mouse, touch, keyboard, without JavaScript, and concurrent moves.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertNoErrors, createCatalog, DESKTOP, launch, open, OPERATOR, PHONE, signIn, stack } from './harness.mjs';

let browser;
let running;
let path;
before(async () => {
  browser = await launch();
  running = await stack();
  const { product } = await createCatalog(running.api);
  path = `/dashboard/products/${product.id}`;
});
after(async () => {
  await browser.close();
  await running.stop();
});

const names = (page) => page.locator('.reorderable > li').evaluateAll((rows) => rows.map((row) => row.dataset.name));
const handle = (page, name) => page.getByRole('button', { name: `Move ${name}`, exact: true });

async function withList(options, use) {
  const page = await open(browser, options);
  try {
    await signIn(page, running.base, OPERATOR, path);
    await resetOrder(page, ['Basic', 'Pro', 'Team']);
    await use(page);
    assertNoErrors(page);
  } finally {
    await page.context().close();
  }
}

// Sets the order through the API and reloads the page.
async function resetOrder(page, order) {
  const { items } = await running.api('GET', '/pricing-tiers?limit=100');
  for (const [index, name] of order.entries()) {
    const { id, code, product_id, feature_keys, effective_limits, created_at, updated_at, ...tier } = items.find((tier) => tier.name === name);
    await running.api('PUT', `/pricing-tiers/${id}`, { ...tier, sort_order: index });
  }
  await page.reload();
  assert.deepEqual(await names(page), order);
}

// Checks the order on the page, before and after a reload.
async function assertOrder(page, order) {
  assert.deepEqual(await names(page), order);
  await page.reload();
  assert.deepEqual(await names(page), order);
}

const reordered = (page) => page.evaluate(() => new Promise((resolve) => document.addEventListener('signet:reordered', resolve, { once: true })));

async function middle(locator) {
  const box = await locator.boundingBox();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

test('dragging with the mouse', () => withList(DESKTOP, async (page) => {
  const [from, to] = [await middle(handle(page, 'Team')), await middle(handle(page, 'Basic'))];
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y + 20, { steps: 5 });
  await page.mouse.move(to.x, to.y - 10, { steps: 5 });
  const saved = reordered(page);
  await page.mouse.up();
  await saved;
  await assertOrder(page, ['Team', 'Basic', 'Pro']);
}));

test('Escape cancels dragging with the mouse', () => withList(DESKTOP, async (page) => {
  const [from, to] = [await middle(handle(page, 'Team')), await middle(handle(page, 'Basic'))];
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y - 10, { steps: 5 });
  await page.keyboard.press('Escape');
  await page.mouse.up();
  await assertOrder(page, ['Basic', 'Pro', 'Team']);
}));

test('dragging with touch', () => withList(PHONE, async (page) => {
  const [from, to] = [await middle(handle(page, 'Basic')), await middle(handle(page, 'Team'))];
  const finger = await page.context().newCDPSession(page);
  const touch = (type, y) => finger.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x: from.x, y }] });
  await touch('touchStart', from.y);
  for (let step = 1; step <= 8; step += 1) await touch('touchMove', from.y + ((to.y + 30 - from.y) * step) / 8);
  const saved = reordered(page);
  await touch('touchEnd');
  await saved;
  await assertOrder(page, ['Pro', 'Team', 'Basic']);
}));

test('keyboard', () => withList(DESKTOP, async (page) => {
  const status = page.locator('[data-reorder-status]');
  await handle(page, 'Team').focus();
  await page.keyboard.press('Space');
  assert.match(await status.textContent(), /^Team picked up, 3 of 3/);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  assert.equal(await status.textContent(), 'Team, 1 of 3.');
  const saved = reordered(page);
  await page.keyboard.press('Space');
  await saved;
  assert.equal(await status.textContent(), 'Team dropped, 1 of 3.');
  await assertOrder(page, ['Team', 'Basic', 'Pro']);
  await handle(page, 'Pro').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Escape');
  await assertOrder(page, ['Team', 'Basic', 'Pro']);
}));

test('buttons of a row', () => withList(DESKTOP, async (page) => {
  const saved = reordered(page);
  await page.getByRole('button', { name: 'Move Pro up' }).click();
  await saved;
  await assertOrder(page, ['Pro', 'Basic', 'Team']);
}));

test('a saved move can be undone', () => withList(DESKTOP, async (page) => {
  const saved = reordered(page);
  await page.getByRole('button', { name: 'Move Pro up' }).click();
  await saved;
  await page.getByText('Pro moved.').waitFor();
  assert.deepEqual(await names(page), ['Pro', 'Basic', 'Team']);
  const undone = reordered(page);
  await page.getByRole('button', { name: 'Undo' }).click();
  await undone;
  await page.getByText('Move undone.').waitFor();
  await assertOrder(page, ['Basic', 'Pro', 'Team']);
}));

test('buttons without JavaScript', () => withList({ ...DESKTOP, javaScriptEnabled: false }, async (page) => {
  await page.getByRole('button', { name: 'Move Basic down' }).click();
  await page.getByText('Moved down.').waitFor();
  assert.deepEqual(await names(page), ['Pro', 'Basic', 'Team']);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Moved up.').waitFor();
  await assertOrder(page, ['Basic', 'Pro', 'Team']);
}));

test('concurrent moves by two users', () => withList(DESKTOP, async (page) => {
  const other = await open(browser);
  await signIn(other, running.base, OPERATOR, path);
  assert.deepEqual(await names(other), ['Basic', 'Pro', 'Team']);
  const step = async (on, name) => {
    const saved = reordered(on);
    await on.getByRole('button', { name, exact: true }).click();
    await saved;
  };
  // One user moves Team before Pro; the other, with a stale page, moves Basic down. Both moves apply.
  await step(page, 'Move Team up');
  await step(other, 'Move Basic down');
  const after = await names(other);
  assert.ok(after.indexOf('Team') < after.indexOf('Pro') && after.indexOf('Basic') < after.indexOf('Team') + 2, after.join());
  await assertOrder(other, after);
  await page.reload();
  assert.deepEqual(await names(page), after);
  // Simultaneous moves result in the same order for both users.
  await Promise.all([step(page, `Move ${after[2]} up`), step(other, `Move ${after[0]} down`)]);
  await page.reload();
  await other.reload();
  assert.deepEqual(await names(page), await names(other));
  await other.context().close();
}));

test('a move that can\'t be saved is reverted', () => withList(DESKTOP, async (page) => {
  await page.route('**/reorder', (route) => route.abort());
  const saved = reordered(page);
  await page.getByRole('button', { name: 'Move Pro up' }).click();
  await saved;
  await page.getByText("Couldn't save the new order. Try again.").waitFor();
  page.errors = page.errors.filter((error) => !error.includes('net::ERR_FAILED'));
  await assertOrder(page, ['Basic', 'Pro', 'Team']);
}));
