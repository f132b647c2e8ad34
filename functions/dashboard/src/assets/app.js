// What every page runs. Each page works without it: it makes times local, copies, asks beside the page, and says what
// is under way.

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

function localTimes(within) {
  for (const time of within.querySelectorAll('time[data-form]')) {
    const form = time.dataset.form === 'day' ? day : moment;
    time.textContent = form.format(new Date(time.dateTime));
  }
}

function say(text) {
  const toasts = document.querySelector('[data-toasts]') ?? document.body;
  const toast = document.createElement('p');
  toast.className = 'toast';
  toast.textContent = text;
  toasts.append(toast);
  setTimeout(() => toast.remove(), 4000);
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say('Copied.');
  } catch {
    say('This browser does not let a page copy: mark the text, and copy it yourself.');
  }
}

// A form that is under way says so, and is not sent twice.
function underWay(form, submitter) {
  const button = submitter ?? form.querySelector('button');
  if (form.dataset.sent) return false;
  form.dataset.sent = 'yes';
  button?.setAttribute('aria-busy', 'true');
  return true;
}

// A page that comes back from the browser's memory was not sent.
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('[data-sent]')) {
    delete form.dataset.sent;
    form.querySelector('[aria-busy]')?.removeAttribute('aria-busy');
  }
});

// A question on a page of its own is asked beside the page that leads to it.
async function ask(link) {
  const answer = await fetch(link.href, { headers: { accept: 'text/html' } });
  const asked = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('#main');
  if (!answer.ok || answer.redirected || !asked?.querySelector('form, [data-close]')) return location.assign(link.href);
  const dialog = document.createElement('dialog');
  dialog.append(...asked.childNodes);
  const heading = dialog.querySelector('h1');
  heading.id = 'asked';
  dialog.setAttribute('aria-labelledby', 'asked');
  localTimes(dialog);
  document.body.append(dialog);
  dialog.addEventListener('close', () => { dialog.remove(); link.focus(); });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.showModal();
}

document.addEventListener('click', (event) => {
  const target = event.target.closest?.('[data-copy], [data-dialog], [data-close]');
  if (!target) return;
  if (target.dataset.copy !== undefined) return void copy(target);
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  if (target.dataset.dialog !== undefined) {
    event.preventDefault();
    ask(target).catch(() => location.assign(target.href));
  } else if (target.closest('dialog')) {
    event.preventDefault();
    target.closest('dialog').close();
  }
});

document.addEventListener('submit', (event) => {
  // A file comes, and the page stays: there is nothing to wait for.
  if (event.target.dataset.download !== undefined) return;
  if (!underWay(event.target, event.submitter)) event.preventDefault();
});

document.addEventListener('change', (event) => {
  if (event.target.dataset.send !== undefined) event.target.form.requestSubmit();
});

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select, [contenteditable]');
  const search = document.querySelector('#search');
  if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || !search?.checkVisibility()) return;
  event.preventDefault();
  search.focus();
});

document.addEventListener('signet:say', (event) => say(event.detail));

localTimes(document);
document.querySelector('[data-focus]')?.focus();

// What was just done is said once, and not by an address that is shared.
if (document.querySelector('[data-done]')) {
  const here = new URL(location.href);
  here.searchParams.delete('done');
  history.replaceState(history.state, '', here);
}

// After a sign-in in a tab of its own, the tab that waits for it goes on.
const tabs = new BroadcastChannel('signet');
if (document.querySelector('[data-signed-in]')) {
  tabs.postMessage('signed in');
  window.close();
}
const waiting = document.querySelector('[data-send-when-signed-in]');
if (waiting) tabs.addEventListener('message', () => waiting.requestSubmit(), { once: true });
