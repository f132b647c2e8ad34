// The script of every page. It shows times in the browser's time zone, copies values, opens confirmation pages in dialogs
// and submits their forms there, and prevents double submissions. Pages work without it.

const TIME_ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone.replaceAll('_', ' ');
const formats = {
  date: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }),
  datetime: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }),
  exact: new Intl.DateTimeFormat(undefined, {
    year: 'numeric', month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'short',
  }),
};

// Shows times and the values of inputs in the browser's time zone. Pages are rendered in UTC.
function localize(container) {
  for (const time of container.querySelectorAll('time[data-format]')) {
    time.textContent = formats[time.dataset.format].format(new Date(time.dateTime));
  }
  for (const option of container.querySelectorAll('option[data-time]')) {
    option.textContent = option.textContent.replace(/\d+ \w+ \d+ UTC/, formats.date.format(new Date(option.dataset.time)));
  }
  for (const input of container.querySelectorAll('[type="datetime-local"], [type="date"]')) localizeInput(input);
}

const offsetField = (input) => input.form?.elements[`${input.name}_offset`];

// Converts the value of an input of a date and time. An input of a day keeps its value: its days may be those of another
// zone, which then stays in the label until the input changes.
function localizeInput(input) {
  const offset = offsetField(input);
  if (!offset) return;
  if (input.type === 'date' && input.value && offset.value !== offsetAt(input)) return;
  if (input.type === 'datetime-local' && input.value) {
    const time = new Date(`${input.value}${offset.value}`);
    input.value = new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  }
  updateOffset(input);
}

// The UTC offset of the browser's time zone at the time in an input, such as "+01:00". The offset of the last day of a range
// is that of its end.
function offsetAt(input) {
  const local = input.type === 'date' ? `${input.value}T00:00` : input.value;
  const shown = new Date(`${local}Z`);
  const time = new Date(local);
  if (input.name === 'until' && input.type === 'date') {
    shown.setUTCDate(shown.getUTCDate() + 1);
    time.setDate(time.getDate() + 1);
  }
  const minutes = Math.round((shown - time) / 60_000);
  const digits = (number) => String(Math.floor(Math.abs(number))).padStart(2, '0');
  return minutes === 0 ? 'Z' : `${minutes < 0 ? '-' : '+'}${digits(minutes / 60)}:${digits(minutes % 60)}`;
}

// Sets the offset of an input's value to that of the browser's time zone, and names the zone in the label.
function updateOffset(input) {
  if (input.value) offsetField(input).value = offsetAt(input);
  const zone = input.labels[0]?.querySelector('[data-zone]');
  if (zone) zone.textContent = `(${TIME_ZONE})`;
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

// Shows the content of a page in a dialog, which is in the document: the labels of inputs are found only there.
function fillDialog(dialog, main) {
  dialog.replaceChildren(...main.childNodes);
  dialog.querySelector('h1').id = 'dialog-title';
  dialog.setAttribute('aria-labelledby', 'dialog-title');
  localize(dialog);
}

// Opens a confirmation page in a dialog.
async function openDialog(link) {
  const response = await fetch(link.href, { headers: { accept: 'text/html' } });
  const main = (await parsePage(response)).querySelector('#main');
  if (!response.ok || response.redirected || !main?.querySelector('form, [data-close]')) return location.assign(link.href);
  const dialog = document.createElement('dialog');
  document.body.append(dialog);
  fillDialog(dialog, main);
  dialog.addEventListener('close', () => { dialog.remove(); link.focus(); });
  dialog.addEventListener('click', (event) => {
    // A click on the dialog element itself is a click on its backdrop.
    if (event.target === dialog) dialog.close();
  });
  dialog.showModal();
  // Enter must not perform an action that can't be undone.
  if (dialog.querySelector('form .button.danger')) dialog.querySelector('form [data-close]')?.focus();
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
    // The script of the command palette has its dialog.
    const palette = document.querySelector('#palette');
    if (palette) page.querySelector('#palette')?.replaceWith(palette);
    document.body.replaceWith(page.body);
    localize(document);
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

document.addEventListener('input', (event) => {
  if (offsetField(event.target)) updateOffset(event.target);
});

document.addEventListener('change', (event) => {
  if (event.target.dataset.submitOnChange !== undefined) event.target.form.requestSubmit();
});

document.addEventListener('signet:toast', ({ detail: { text, undo } }) => showToast(text, undo));

localize(document);
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
