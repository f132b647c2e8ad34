// Lists that are put in order: by dragging a row's handle with a mouse, a pen or a finger, by keys, or by the row's
// buttons. What is sent says before which row another is to stand, so that the moves of two people both hold, and the
// answer is the order as it is then.

const EDGE = 48;

for (const list of document.querySelectorAll('[data-order]')) {
  list.addEventListener('pointerdown', (event) => {
    const grip = event.target.closest('[data-grip]');
    if (grip && event.button === 0) drag(list, grip.closest('li'), grip, event);
  });
  list.addEventListener('keydown', (event) => {
    const grip = event.target.closest('[data-grip]');
    if (grip) byKeys(list, grip, event);
  });
  list.addEventListener('focusout', () => {
    const picked = list.querySelector('.lifted[data-from]');
    if (picked) setTimeout(() => { if (!picked.contains(document.activeElement)) putBack(list, picked); });
  });
  list.addEventListener('click', (event) => {
    const button = event.target.closest('button[name="move"]');
    if (!button) return;
    event.preventDefault();
    step(list, button.closest('li'), button.value.endsWith(':up') ? -1 : 1);
    button.focus();
  });
}

const rows = (list) => [...list.querySelectorAll(':scope > li')];

function say(list, text) {
  list.closest('form').querySelector('[data-order-said]').textContent = text;
}

const place = (list, row) => `${rows(list).indexOf(row) + 1} of ${rows(list).length}`;

// Dragging.

function drag(list, row, grip, start) {
  start.preventDefault();
  grip.focus();
  grip.setPointerCapture(start.pointerId);
  const all = rows(list);
  const from = all.indexOf(row);
  const boxes = all.map((other) => ({ top: other.offsetTop, height: other.offsetHeight }));
  const scrolled = scrollY;
  let to = from;
  let at = start.clientY;
  let frame = 0;
  list.classList.add('moving');
  row.classList.add('lifted');

  const show = () => {
    const by = at - start.clientY + scrollY - scrolled;
    row.style.translate = `0 ${by}px`;
    const top = boxes[from].top + by;
    const bottom = top + boxes[from].height;
    // A row gives way when its middle is passed.
    to = from;
    while (to > 0 && top < middle(boxes[to - 1])) to -= 1;
    while (to < all.length - 1 && bottom > middle(boxes[to + 1])) to += 1;
    all.forEach((other, index) => {
      if (other === row) return;
      const way = index > from && index <= to ? -1 : index < from && index >= to ? 1 : 0;
      other.style.translate = way ? `0 ${way * boxes[from].height}px` : '';
    });
  };
  const follow = () => {
    const speed = at < EDGE ? at - EDGE : at > innerHeight - EDGE ? at - innerHeight + EDGE : 0;
    if (speed) {
      scrollBy(0, speed / 4);
      show();
    }
    frame = requestAnimationFrame(follow);
  };
  const move = (event) => {
    at = event.clientY;
    show();
  };
  const end = (keep) => {
    cancelAnimationFrame(frame);
    for (const [kind, listener] of listeners) grip.removeEventListener(kind, listener);
    removeEventListener('keydown', escape, true);
    list.classList.remove('moving');
    row.classList.remove('lifted');
    for (const other of all) other.style.translate = '';
    if (keep && to !== from) drop(list, row, all[to > from ? to + 1 : to] ?? null);
  };
  const escape = (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    end(false);
  };
  const listeners = [['pointermove', move], ['pointerup', () => end(true)], ['pointercancel', () => end(false)]];
  for (const [kind, listener] of listeners) grip.addEventListener(kind, listener);
  addEventListener('keydown', escape, true);
  follow();
}

const middle = (box) => box.top + box.height / 2;

// Keys.

function byKeys(list, grip, event) {
  const row = grip.closest('li');
  const isPicked = row.dataset.from !== undefined;
  if (event.key === ' ' || event.key === 'Enter') {
    event.preventDefault();
    if (isPicked) {
      const from = Number(row.dataset.from);
      letGo(row);
      say(list, `${row.dataset.name} dropped, ${place(list, row)}.`);
      if (rows(list).indexOf(row) !== from) send(list, row, from);
    } else {
      row.dataset.from = rows(list).indexOf(row);
      row.classList.add('lifted');
      say(list, `${row.dataset.name} picked up, ${place(list, row)}. Arrow keys move it, Space drops it, Escape puts it back.`);
    }
  } else if (isPicked && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
    event.preventDefault();
    shift(list, row, event.key === 'ArrowUp' ? -1 : 1);
    grip.focus();
    say(list, `${row.dataset.name}, ${place(list, row)}.`);
  } else if (isPicked && event.key === 'Escape') {
    event.preventDefault();
    putBack(list, row);
    grip.focus();
  }
}

function letGo(row) {
  delete row.dataset.from;
  row.classList.remove('lifted');
}

function putBack(list, row) {
  const from = Number(row.dataset.from);
  letGo(row);
  const others = rows(list).filter((other) => other !== row);
  list.insertBefore(row, others[from] ?? null);
  say(list, `${row.dataset.name} put back, ${place(list, row)}.`);
}

function shift(list, row, by) {
  const all = rows(list);
  const to = all.indexOf(row) + by;
  if (to >= 0 && to < all.length) list.insertBefore(row, by < 0 ? all[to] : all[to].nextSibling);
}

function step(list, row, by) {
  const from = rows(list).indexOf(row);
  shift(list, row, by);
  if (rows(list).indexOf(row) === from) return;
  say(list, `${row.dataset.name}, ${place(list, row)}.`);
  send(list, row, from);
}

// Sending.

function drop(list, row, before) {
  const from = rows(list).indexOf(row);
  list.insertBefore(row, before);
  say(list, `${row.dataset.name} dropped, ${place(list, row)}.`);
  send(list, row, from);
}

let last = Promise.resolve();

// One move after the other, so that each says what it means in the order that the one before made.
function send(list, row, from) {
  const body = new URLSearchParams({
    form_token: list.closest('form').elements.form_token.value,
    id: row.dataset.id,
    before: rows(list)[rows(list).indexOf(row) + 1]?.dataset.id ?? '',
  });
  last = last.then(async () => {
    try {
      const answer = await fetch(list.dataset.order, { method: 'POST', body, headers: { accept: 'application/json' } });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const { order } = await answer.json();
      arrange(list, order);
    } catch {
      const others = rows(list).filter((other) => other !== row);
      list.insertBefore(row, others[from] ?? null);
      say(list, `${row.dataset.name} could not be moved, and is back where it was.`);
      list.dispatchEvent(new CustomEvent('signet:say', { bubbles: true, detail: 'It could not be moved. Try again.' }));
    }
    list.dispatchEvent(new CustomEvent('signet:settled', { bubbles: true }));
  });
}

// The order as it is: somebody else may have moved something, too.
function arrange(list, order) {
  const focused = document.activeElement;
  const by = new Map(rows(list).map((row) => [row.dataset.id, row]));
  const wanted = order.map((id) => by.get(id)).filter(Boolean);
  if (wanted.some((row, index) => rows(list)[index] !== row)) {
    list.append(...wanted);
    focused?.focus?.();
  }
}
