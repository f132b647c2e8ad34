// The API's health, as this browser sees it: asked every few seconds while somebody looks, with a plot of how long each
// answer took.

const EVERY = 3000;
const PATIENCE = 5000;
const MOST = 60;
const SVG = 'http://www.w3.org/2000/svg';
// The first two are the page's own words.
const STATES = {
  ok: ['All is well', 'good', 'Good'],
  degraded: ['It answers, but not as it should', 'warn', 'Degraded'],
  down: ['Down: what it needs does not answer', 'bad', 'Down'],
  silent: ['Down: the API does not answer', 'bad', 'Down'],
};
const CHECKS = { dynamodb: 'The table', signing: 'Signing', signed_keys: 'The signed set of keys', oidc: 'Sign-in' };

const root = document.querySelector('[data-health]');
const part = (name) => root.querySelector(`[data-${name}]`);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const probes = [];
let state = null;
let since = new Date();
let lastAnswer = null;
let back = null;
let timer = null;
let isAsking = false;

const isUp = (state) => state === 'ok' || state === 'degraded';

async function probe() {
  const begun = performance.now();
  try {
    const answer = await fetch(root.dataset.health, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
    const health = await answer.json();
    if (!Object.hasOwn(STATES, health.status) || !Array.isArray(health.checks)) throw new Error('not its health');
    return { ms: performance.now() - begun, status: health.status, checks: health.checks };
  } catch {
    return { ms: null, status: 'silent', checks: null };
  }
}

// Spoken to whoever can't see it, and so written only when it is another.
function turn(next) {
  if (next === state) return;
  const now = new Date();
  const [word, tone] = STATES[next];
  const wasAway = state !== null && !isUp(state) && isUp(next);
  back = wasAway ? span(now - since) : isUp(next) ? back : null;
  // A change between two ways to be down is the same absence.
  if (state === null || isUp(state) !== isUp(next) || isUp(next)) since = now;
  state = next;
  part('word').textContent = wasAway ? `Back: ${word.toLowerCase()}` : word;
  part('tone').className = `state ${tone}`;
}

function span(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  const [count, unit] = seconds < 120 ? [seconds, 'second'] : [Math.round(seconds / 60), 'minute'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

function story() {
  const began = clock.format(since);
  if (isUp(state)) return back ? `Since ${began}, after ${back} away.` : `Since ${began}, as far as this page has seen.`;
  const last = lastAnswer ? ` The last good answer came at ${clock.format(lastAnswer)}.` : '';
  return `Since ${began}, and asked again every ${EVERY / 1000} seconds.${last}`;
}

function show({ ms, status, checks }) {
  probes.push(ms);
  if (probes.length > MOST) probes.shift();
  turn(status);
  if (isUp(status)) lastAnswer = new Date();
  part('since').textContent = story();
  const known = probes.filter((one) => one !== null).sort((a, b) => a - b);
  const worst = known.at(-1);
  const time = (one) => (one === undefined ? '–' : `${Math.round(one)} ms`);
  part('now').textContent = ms === null ? 'No answer' : time(ms);
  part('median').textContent = time(known[(known.length - 1) >> 1]);
  part('worst').textContent = time(worst);
  part('count').textContent = probes.length === 1 ? 'once' : `${probes.length} times`;
  plot(Math.max(worst ?? 0, 20));
  if (checks) part('checks').replaceChildren(...checks.map(row));
  else for (const badge of part('checks').querySelectorAll('.badge')) say(badge, 'dim', 'Not known');
}

function row({ name, status, latency_ms }) {
  const [, tone, word] = STATES[status] ?? STATES.down;
  const line = document.createElement('li');
  const what = document.createElement('span');
  what.textContent = `${CHECKS[name] ?? name} `;
  const took = document.createElement('span');
  took.className = 'muted';
  took.textContent = `${latency_ms} ms`;
  what.append(took);
  const badge = document.createElement('span');
  say(badge, tone, word);
  line.append(what, badge);
  return line;
}

function say(badge, tone, word) {
  badge.className = `badge ${tone}`;
  badge.textContent = word;
}

function plot(most) {
  const width = 600 / MOST;
  const bar = (ms, index) => {
    const height = ms === null ? 80 : Math.max(2, (ms / most) * 76);
    const at = { x: index * width + 1, y: 80 - height, width: width - 2, height };
    const rect = document.createElementNS(SVG, 'rect');
    for (const [name, value] of Object.entries(at)) rect.setAttribute(name, value);
    if (ms === null) rect.setAttribute('class', 'silent');
    return rect;
  };
  part('plot').replaceChildren(...probes.map(bar));
}

async function ask() {
  timer = null;
  isAsking = true;
  show(await probe());
  isAsking = false;
  if (!document.hidden) timer = setTimeout(ask, EVERY);
}

// Nobody looks at a hidden tab: nothing is asked, and at once when somebody does again.
document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  timer = null;
  if (!document.hidden && !isAsking) ask();
});

ask();
