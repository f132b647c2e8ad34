// The command palette: results as you type, by keyboard. Ctrl/Cmd-K and "/" open it. Without it, the search form has the same results.

const dialog = document.querySelector('#palette');
const form = dialog.querySelector('form');
const input = dialog.querySelector('[role="combobox"]');
const results = dialog.querySelector('#palette-results');
const status = dialog.querySelector('[role="status"]');
const PAUSE = 120;
let loading;
let controller;
let timer;

const options = () => [...results.querySelectorAll('[role="option"]')];
const selected = () => results.querySelector('[aria-selected="true"]');

function select(option) {
  selected()?.setAttribute('aria-selected', 'false');
  if (!option) return input.removeAttribute('aria-activedescendant');
  option.setAttribute('aria-selected', 'true');
  input.setAttribute('aria-activedescendant', option.id);
  option.scrollIntoView({ block: 'nearest' });
}

function show(...nodes) {
  results.replaceChildren(...nodes);
  const all = options();
  input.setAttribute('aria-controls', all.length ? 'palette-list' : 'palette-results');
  input.setAttribute('aria-expanded', String(all.length > 0));
  select(all[0]);
  const message = results.querySelector('.palette-more')?.textContent ?? '';
  status.textContent = all.length ? `${all.length} ${all.length === 1 ? 'result' : 'results'}. ${message}` : message;
}

function showMessage(text) {
  const message = document.createElement('p');
  message.className = 'palette-more';
  message.textContent = text;
  show(message);
}

// Loads the results of the text. A later text cancels it.
async function load() {
  controller?.abort();
  const { signal } = controller = new AbortController();
  try {
    const body = new URLSearchParams(new FormData(form));
    const response = await fetch(form.dataset.results, { method: 'POST', body, signal });
    const text = await response.text();
    if (signal.aborted) return;
    if (response.ok) show(...new DOMParser().parseFromString(text, 'text/html').body.childNodes);
    else showMessage(response.status === 401 ? 'Your session has expired. Reload the page.' : "Couldn't search. Try again.");
  } catch {
    if (!signal.aborted) showMessage("Couldn't search. Try again.");
  }
}

function reload(pause) {
  clearTimeout(timer);
  // The results of the text before are no answer to this one.
  controller?.abort();
  loading = new Promise((resolve) => { timer = setTimeout(resolve, pause); }).then(load);
}

function openPalette() {
  if (dialog.open || document.querySelector('dialog[open]')) return;
  input.value = '';
  dialog.showModal();
  input.focus();
  reload(0);
}

// Follows the selected result of the present text.
async function follow(newTab) {
  const current = loading;
  await current;
  if (current !== loading || !dialog.open) return;
  const option = selected();
  if (!option) return;
  if (newTab) window.open(option.href, '_blank', 'noopener');
  else option.click();
}

function move(step) {
  const all = options();
  if (!all.length) return;
  const at = all.indexOf(selected());
  select(all[(at + step + all.length) % all.length]);
}

input.addEventListener('input', () => reload(PAUSE));

input.addEventListener('keydown', (event) => {
  if (event.isComposing) return;
  if (event.key === 'ArrowDown') move(1);
  else if (event.key === 'ArrowUp') move(-1);
  else if (event.key === 'Enter') follow(event.metaKey || event.ctrlKey);
  else return;
  event.preventDefault();
});

results.addEventListener('pointermove', (event) => {
  const option = event.target.closest('[role="option"]');
  if (option && option !== selected()) select(option);
});

dialog.addEventListener('click', (event) => {
  // A click on the dialog element itself is a click on its backdrop.
  if (event.target === dialog) dialog.close();
});

dialog.addEventListener('close', () => {
  clearTimeout(timer);
  controller?.abort();
  show();
});

document.addEventListener('keydown', (event) => {
  const isTyping = event.target.closest?.('input, textarea, select, [contenteditable]');
  const isShortcut = (event.metaKey || event.ctrlKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'k';
  const isSlash = event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!isShortcut && !isSlash) return;
  event.preventDefault();
  openPalette();
});
