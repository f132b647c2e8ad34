// The script of every page. It shows times in the browser's time zone, copies values, opens confirmation pages in dialogs,
// and prevents double submissions. Pages work without it.

const formats = {
  date: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }),
  datetime: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }),
};

function localizeTimes(container) {
  for (const time of container.querySelectorAll('time[data-format]')) {
    time.textContent = formats[time.dataset.format].format(new Date(time.dateTime));
  }
}

function showToast(text) {
  const container = document.querySelector('[data-toasts]') ?? document.body;
  const toast = document.createElement('p');
  toast.className = 'toast';
  toast.textContent = text;
  container.append(toast);
  setTimeout(() => toast.remove(), 4000);
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    showToast('Copied.');
  } catch {
    showToast("Couldn't copy. Select the text and copy it manually.");
  }
}

// Marks a form as submitted. Returns false if it already is.
function markSubmitted(form, submitter) {
  const button = submitter ?? form.querySelector('button');
  if (form.dataset.submitted) return false;
  form.dataset.submitted = 'true';
  button?.setAttribute('aria-busy', 'true');
  return true;
}

// Forms can be submitted again when the browser restores the page from its back/forward cache.
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('[data-submitted]')) {
    delete form.dataset.submitted;
    form.querySelector('[aria-busy]')?.removeAttribute('aria-busy');
  }
});

// Opens a confirmation page in a dialog.
async function openDialog(link) {
  const response = await fetch(link.href, { headers: { accept: 'text/html' } });
  const main = new DOMParser().parseFromString(await response.text(), 'text/html').querySelector('#main');
  if (!response.ok || response.redirected || !main?.querySelector('form, [data-close]')) return location.assign(link.href);
  const dialog = document.createElement('dialog');
  dialog.append(...main.childNodes);
  const heading = dialog.querySelector('h1');
  heading.id = 'dialog-title';
  dialog.setAttribute('aria-labelledby', 'dialog-title');
  localizeTimes(dialog);
  document.body.append(dialog);
  dialog.addEventListener('close', () => { dialog.remove(); link.focus(); });
  dialog.addEventListener('click', (event) => {
    // A click on the dialog element itself is a click on its backdrop.
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
    openDialog(target).catch(() => location.assign(target.href));
  } else if (target.closest('dialog')) {
    event.preventDefault();
    target.closest('dialog').close();
  }
});

document.addEventListener('submit', (event) => {
  // The response to these forms is a download, after which the page stays.
  if (event.target.dataset.download !== undefined) return;
  if (!markSubmitted(event.target, event.submitter)) event.preventDefault();
});

document.addEventListener('change', (event) => {
  if (event.target.dataset.submitOnChange !== undefined) event.target.form.requestSubmit();
});

// The key "/" focuses the search.
document.addEventListener('keydown', (event) => {
  const isTyping = event.target.closest('input, textarea, select, [contenteditable]');
  const search = document.querySelector('#search');
  if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || !search?.checkVisibility()) return;
  event.preventDefault();
  search.focus();
});

document.addEventListener('signet:toast', (event) => showToast(event.detail));

localizeTimes(document);
document.querySelector('[data-autofocus]')?.focus();

// Removes the notice from the URL, so that reloading or sharing the page does not repeat it.
if (document.querySelector('[data-notice]')) {
  const url = new URL(location.href);
  url.searchParams.delete('notice');
  history.replaceState(history.state, '', url);
}

// After a sign-in in a separate tab, the original tab submits its form again.
const channel = new BroadcastChannel('signet');
if (document.querySelector('[data-signed-in]')) {
  channel.postMessage('signed in');
  window.close();
}
const pendingForm = document.querySelector('[data-submit-after-sign-in]');
if (pendingForm) channel.addEventListener('message', () => pendingForm.requestSubmit(), { once: true });
