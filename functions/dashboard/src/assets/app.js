// The script of every page. It shows times in the browser's time zone, copies values, opens confirmation pages in dialogs
// and submits their forms there, and prevents double submissions. Pages work without it.

const formats = {
  date: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }),
  datetime: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }),
};

function localizeTimes(container) {
  for (const time of container.querySelectorAll('time[data-format]')) {
    time.textContent = formats[time.dataset.format].format(new Date(time.dateTime));
  }
}

// Shows a message for some seconds, and for longer with a button that undoes what it confirms.
function showToast(text, undo) {
  const container = document.querySelector('[data-toasts]') ?? document.body;
  const toast = document.createElement('p');
  toast.className = 'toast';
  toast.textContent = text;
  if (undo) {
    const button = document.createElement('button');
    button.className = 'toast-button';
    button.textContent = 'Undo';
    button.addEventListener('click', () => { toast.remove(); undo(); });
    toast.append(button);
  }
  container.append(toast);
  const remove = () => { if (toast.matches(':hover, :focus-within')) setTimeout(remove, 1000); else toast.remove(); };
  setTimeout(remove, undo ? 10_000 : 4000);
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

function unmarkSubmitted(form) {
  delete form.dataset.submitted;
  form.querySelector('[aria-busy]')?.removeAttribute('aria-busy');
}

// Forms can be submitted again when the browser restores the page from its back/forward cache.
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('[data-submitted]')) unmarkSubmitted(form);
});

const parsePage = async (response) => new DOMParser().parseFromString(await response.text(), 'text/html');

// Shows the content of a page in a dialog.
function fillDialog(dialog, main) {
  dialog.replaceChildren(...main.childNodes);
  dialog.querySelector('h1').id = 'dialog-title';
  dialog.setAttribute('aria-labelledby', 'dialog-title');
  localizeTimes(dialog);
}

// Opens a confirmation page in a dialog.
async function openDialog(link) {
  const response = await fetch(link.href, { headers: { accept: 'text/html' } });
  const main = (await parsePage(response)).querySelector('#main');
  if (!response.ok || response.redirected || !main?.querySelector('form, [data-close]')) return location.assign(link.href);
  const dialog = document.createElement('dialog');
  fillDialog(dialog, main);
  document.body.append(dialog);
  dialog.addEventListener('close', () => { dialog.remove(); link.focus(); });
  dialog.addEventListener('click', (event) => {
    // A click on the dialog element itself is a click on its backdrop.
    if (event.target === dialog) dialog.close();
  });
  dialog.showModal();
}

// Shows why a form in a dialog was refused, if the response has no form.
function showDialogError(form, text) {
  const error = document.createElement('div');
  error.className = 'banner danger';
  error.setAttribute('role', 'alert');
  error.append(Object.assign(document.createElement('p'), { textContent: text }));
  form.querySelector(':scope > .banner')?.remove();
  form.prepend(error);
}

// Submits a form in a dialog. A refusal and a next step stay in the dialog; any other result replaces the page.
async function submitInDialog(dialog, form, submitter) {
  const fields = new FormData(form, submitter);
  const isMultipart = form.enctype === 'multipart/form-data';
  let response;
  let page;
  try {
    const body = isMultipart ? fields : new URLSearchParams(fields);
    response = await fetch(form.action, { method: 'POST', body, headers: { accept: 'text/html' } });
    page = await parsePage(response);
  } catch {
    unmarkSubmitted(form);
    return showDialogError(form, "Couldn't reach the server. Try again.");
  }
  // The page to sign in again keeps the form.
  if (response.status === 401) return form.submit();
  if (response.redirected) return location.assign(response.url);
  const main = page.querySelector('#main');
  if (main?.querySelector('form.form')) {
    fillDialog(dialog, main);
    (dialog.querySelector('[data-autofocus]') ?? dialog).focus();
  } else if (response.ok && main) {
    dialog.remove();
    document.title = page.title;
    history.pushState(null, '', form.action);
    replacedPath = location.pathname;
    document.body.replaceWith(page.body);
    localizeTimes(document);
    document.querySelector('#main').focus({ preventScroll: true });
    scrollTo(0, 0);
  } else {
    unmarkSubmitted(form);
    showDialogError(form, main?.querySelector('p:not(.brand)')?.textContent ?? 'Something went wrong. Try again.');
  }
}

// The path of a page that was shown without loading it. Going back from it loads the page before it.
let replacedPath;
addEventListener('popstate', () => { if (replacedPath && location.pathname !== replacedPath) location.reload(); });

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
  if (!markSubmitted(event.target, event.submitter)) return event.preventDefault();
  const dialog = event.target.closest('dialog');
  if (!dialog) return;
  event.preventDefault();
  submitInDialog(dialog, event.target, event.submitter);
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

document.addEventListener('signet:toast', ({ detail: { text, undo } }) => showToast(text, undo));

localizeTimes(document);
document.querySelector('[data-autofocus]')?.focus();

// Removes the notice from the URL, so that reloading or sharing the page does not repeat it.
if (document.querySelector('[data-notice]')) {
  const url = new URL(location.href);
  for (const name of ['notice', 'changed']) url.searchParams.delete(name);
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
