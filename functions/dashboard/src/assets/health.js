// The API's health, as this browser sees it: asked every few seconds, with a plot of how long each answer took.

const EVERY = 3000;
const PATIENCE = 8000;
const MOST = 60;
const SVG = 'http://www.w3.org/2000/svg';
const WORDS = { ok: 'All is well', degraded: 'Some things are not as they should be', down: 'The API is down' };
const CHECKS = { dynamodb: 'The table', signing: 'Signing', signed_keys: 'The signed set of keys', oidc: 'Sign-in' };
const STATES = { ok: ['Good', 'good'], degraded: ['Degraded', 'warn'], down: ['Down', 'bad'] };

const root = document.querySelector('[data-health]');
const part = (name) => root.querySelector(`[data-${name}]`);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const probes = [];
let state = '';
let since = new Date();
let answered = null;

async function probe() {
  const begun = performance.now();
  try {
    const answer = await fetch(root.dataset.health, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
    const health = await answer.json();
    if (!(health.status in WORDS)) throw new Error('no health');
    answered = new Date();
    return { ms: performance.now() - begun, status: health.status, checks: health.checks };
  } catch {
    return { ms: null, status: 'down', checks: null };
  }
}

function show({ ms, status, checks }) {
  probes.push(ms);
  if (probes.length > MOST) probes.shift();
  if (status !== state) {
    state = status;
    since = new Date();
    part('word').textContent = WORDS[status];
    part('tone').dataset.tone = status;
  }
  const silent = ms === null;
  part('since').textContent = silent && answered
    ? `Since ${clock.format(since)}. The last answer came at ${clock.format(answered)}. Asking on.`
    : silent ? `No answer since ${clock.format(since)}. Asking on.` : `Since ${clock.format(since)}.`;
  const known = probes.filter((one) => one !== null).sort((a, b) => a - b);
  const time = (one) => (one === undefined || one === null ? '–' : `${Math.round(one)} ms`);
  part('now').textContent = silent ? 'No answer' : time(ms);
  part('median').textContent = time(known[Math.floor(known.length / 2)]);
  part('worst').textContent = time(known.at(-1));
  part('count').textContent = `${probes.length} ${probes.length === 1 ? 'time' : 'times'}`;
  if (checks) part('checks').replaceChildren(...checks.map(row));
  plot(known.at(-1) ?? 1);
}

function row({ name, status, latency_ms }) {
  const line = document.createElement('li');
  const what = document.createElement('span');
  what.textContent = `${CHECKS[name] ?? name} `;
  const took = document.createElement('span');
  took.className = 'muted';
  took.textContent = `${latency_ms} ms`;
  what.append(took);
  const badge = document.createElement('span');
  const [word, tone] = STATES[status] ?? [status, 'dim'];
  badge.className = `badge ${tone}`;
  badge.textContent = word;
  line.append(what, badge);
  return line;
}

function plot(most) {
  const width = 600 / MOST;
  const bars = probes.map((ms, index) => {
    const bar = document.createElementNS(SVG, 'rect');
    const height = ms === null ? 80 : Math.max(2, (ms / most) * 76);
    const at = { x: index * width + 1, y: 80 - height, width: width - 2, height, rx: 1 };
    for (const [name, value] of Object.entries(at)) bar.setAttribute(name, value);
    if (ms === null) bar.setAttribute('class', 'silent');
    return bar;
  });
  part('plot').replaceChildren(...bars);
}

async function watch() {
  for (;;) {
    // Nobody looks: nothing is asked.
    if (document.hidden) await new Promise((go) => document.addEventListener('visibilitychange', go, { once: true }));
    if (!document.hidden) show(await probe());
    await new Promise((go) => setTimeout(go, EVERY));
  }
}

watch();
