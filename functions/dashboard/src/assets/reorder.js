// Reorders lists by dragging a row's handle (mouse, pen or touch), with the keyboard, or with the row's buttons. A request
// names the moved row and the row after it, so that concurrent moves by two users both apply. The response contains the
// resulting order.

// The distance from the edge of the viewport at which dragging scrolls the page, in pixels.
const SCROLL_ZONE = 48;

for (const list of document.querySelectorAll('[data-reorder-url]')) {
  list.addEventListener('pointerdown', (event) => {
    const handle = event.target.closest('[data-drag-handle]');
    if (handle && event.button === 0) startDrag(list, handle.closest('li'), handle, event);
  });
  list.addEventListener('keydown', (event) => {
    const handle = event.target.closest('[data-drag-handle]');
    if (handle) handleKey(list, handle, event);
  });
  list.addEventListener('focusout', () => {
    const picked = list.querySelector('.dragging[data-start-index]');
    if (picked) setTimeout(() => { if (!picked.contains(document.activeElement)) cancelMove(list, picked); });
  });
  list.addEventListener('click', (event) => {
    const button = event.target.closest('button[name="move"]');
    if (!button) return;
    event.preventDefault();
    moveByButton(list, button.closest('li'), button.value.endsWith(':up') ? -1 : 1);
    button.focus();
  });
}

const rowsOf = (list) => [...list.querySelectorAll(':scope > li')];

// Announces a change to screen readers.
function announce(list, text) {
  list.closest('form').querySelector('[data-reorder-status]').textContent = text;
}

const position = (list, row) => `${rowsOf(list).indexOf(row) + 1} of ${rowsOf(list).length}`;

// Dragging.

function startDrag(list, row, handle, start) {
  start.preventDefault();
  handle.focus();
  handle.setPointerCapture(start.pointerId);
  const rows = rowsOf(list);
  const startIndex = rows.indexOf(row);
  const boxes = rows.map((other) => ({ top: other.offsetTop, height: other.offsetHeight }));
  const startScroll = scrollY;
  let index = startIndex;
  let pointerY = start.clientY;
  let frame = 0;
  list.classList.add('is-reordering');
  row.classList.add('dragging');

  const update = () => {
    const offset = pointerY - start.clientY + scrollY - startScroll;
    row.style.translate = `0 ${offset}px`;
    const top = boxes[startIndex].top + offset;
    const bottom = top + boxes[startIndex].height;
    // Another row moves when the dragged row passes its middle.
    index = startIndex;
    while (index > 0 && top < middle(boxes[index - 1])) index -= 1;
    while (index < rows.length - 1 && bottom > middle(boxes[index + 1])) index += 1;
    rows.forEach((other, at) => {
      if (other === row) return;
      const direction = at > startIndex && at <= index ? -1 : at < startIndex && at >= index ? 1 : 0;
      other.style.translate = direction ? `0 ${direction * boxes[startIndex].height}px` : '';
    });
  };
  const autoScroll = () => {
    const excess = Math.min(pointerY - SCROLL_ZONE, 0) + Math.max(pointerY - innerHeight + SCROLL_ZONE, 0);
    if (excess) {
      scrollBy(0, excess / 4);
      update();
    }
    frame = requestAnimationFrame(autoScroll);
  };
  const onMove = (event) => {
    pointerY = event.clientY;
    update();
  };
  const end = (isDropped) => {
    cancelAnimationFrame(frame);
    for (const [type, listener] of listeners) handle.removeEventListener(type, listener);
    removeEventListener('keydown', onKey, true);
    list.classList.remove('is-reordering');
    row.classList.remove('dragging');
    for (const other of rows) other.style.translate = '';
    if (isDropped && index !== startIndex) drop(list, row, rows[index > startIndex ? index + 1 : index] ?? null);
  };
  const onKey = (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    end(false);
  };
  const listeners = [['pointermove', onMove], ['pointerup', () => end(true)], ['pointercancel', () => end(false)]];
  for (const [type, listener] of listeners) handle.addEventListener(type, listener);
  addEventListener('keydown', onKey, true);
  autoScroll();
}

const middle = (box) => box.top + box.height / 2;

function drop(list, row, before) {
  const startIndex = rowsOf(list).indexOf(row);
  list.insertBefore(row, before);
  announce(list, `${row.dataset.name} dropped, ${position(list, row)}.`);
  save(list, row, startIndex);
}

// Keyboard.

function handleKey(list, handle, event) {
  const row = handle.closest('li');
  const isPicked = row.dataset.startIndex !== undefined;
  if (event.key === ' ' || event.key === 'Enter') {
    event.preventDefault();
    if (isPicked) {
      const startIndex = Number(row.dataset.startIndex);
      release(row);
      announce(list, `${row.dataset.name} dropped, ${position(list, row)}.`);
      if (rowsOf(list).indexOf(row) !== startIndex) save(list, row, startIndex);
    } else {
      row.dataset.startIndex = rowsOf(list).indexOf(row);
      row.classList.add('dragging');
      announce(list, `${row.dataset.name} picked up, ${position(list, row)}. Arrow keys to move, Space to drop, Escape to cancel.`);
    }
  } else if (isPicked && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
    event.preventDefault();
    moveRow(list, row, event.key === 'ArrowUp' ? -1 : 1);
    handle.focus();
    announce(list, `${row.dataset.name}, ${position(list, row)}.`);
  } else if (isPicked && event.key === 'Escape') {
    event.preventDefault();
    cancelMove(list, row);
    handle.focus();
  }
}

function release(row) {
  delete row.dataset.startIndex;
  row.classList.remove('dragging');
}

function cancelMove(list, row) {
  const startIndex = Number(row.dataset.startIndex);
  release(row);
  insertAt(list, row, startIndex);
  announce(list, `Move canceled. ${row.dataset.name}, ${position(list, row)}.`);
}

function insertAt(list, row, index) {
  const others = rowsOf(list).filter((other) => other !== row);
  list.insertBefore(row, others[index] ?? null);
}

function moveRow(list, row, offset) {
  const rows = rowsOf(list);
  const index = rows.indexOf(row) + offset;
  if (index >= 0 && index < rows.length) list.insertBefore(row, offset < 0 ? rows[index] : rows[index].nextSibling);
}

// Buttons.

function moveByButton(list, row, offset) {
  const startIndex = rowsOf(list).indexOf(row);
  moveRow(list, row, offset);
  if (rowsOf(list).indexOf(row) === startIndex) return;
  announce(list, `${row.dataset.name}, ${position(list, row)}.`);
  save(list, row, startIndex);
}

// Saving.

let pending = Promise.resolve();

// Sends a move. Moves are sent one after the other, because each refers to the order that the previous one created.
// The move is confirmed when it is saved, and can then be undone.
function save(list, row, startIndex, isUndo = false) {
  row.classList.add('saving');
  const body = new URLSearchParams({
    csrf_token: list.closest('form').elements.csrf_token.value,
    id: row.dataset.id,
    before: rowsOf(list)[rowsOf(list).indexOf(row) + 1]?.dataset.id ?? '',
  });
  pending = pending.then(async () => {
    try {
      const response = await fetch(list.dataset.reorderUrl, { method: 'POST', body, headers: { accept: 'application/json' } });
      if (response.status === 401) return location.reload();
      if (!response.ok) throw new Error(response.status);
      const { order } = await response.json();
      applyOrder(list, order);
      toast(list, isUndo ? 'Move undone.' : `${row.dataset.name} moved.`, isUndo ? undefined : () => undoMove(list, row, startIndex));
    } catch {
      insertAt(list, row, startIndex);
      announce(list, `Couldn't save the new order. ${row.dataset.name}, ${position(list, row)}.`);
      toast(list, "Couldn't save the new order. Try again.");
    }
    row.classList.remove('saving');
    list.dispatchEvent(new CustomEvent('signet:reordered', { bubbles: true }));
  });
}

function toast(list, text, undo) {
  list.dispatchEvent(new CustomEvent('signet:toast', { bubbles: true, detail: { text, undo } }));
}

function undoMove(list, row, startIndex) {
  const index = rowsOf(list).indexOf(row);
  if (index === startIndex) return;
  insertAt(list, row, startIndex);
  announce(list, `${row.dataset.name}, ${position(list, row)}.`);
  save(list, row, index, true);
}

// Applies the order on the server, which includes moves by other users.
function applyOrder(list, order) {
  const focused = document.activeElement;
  const byId = new Map(rowsOf(list).map((row) => [row.dataset.id, row]));
  const rows = order.map((id) => byId.get(id)).filter(Boolean);
  if (rows.some((row, index) => rowsOf(list)[index] !== row)) {
    list.append(...rows);
    focused?.focus?.();
  }
}
