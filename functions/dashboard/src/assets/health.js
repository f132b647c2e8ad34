// Polls the API's health endpoint from the browser and charts the response times.

const INTERVAL_MS = 3000;
const TIMEOUT_MS = 8000;
const MAX_SAMPLES = 60;
const CHART = { width: 600, height: 80 };
const SVG = 'http://www.w3.org/2000/svg';
const TITLES = { ok: 'All systems operational', degraded: 'Some systems are degraded', down: 'The API is unreachable' };
const DEPENDENCIES = { dynamodb: 'DynamoDB', signing: 'Signing', signed_keys: 'Signed key set', oidc: 'Sign-in' };
const BADGES = { ok: ['Operational', 'success'], degraded: ['Degraded', 'warning'], down: ['Down', 'danger'] };

const root = document.querySelector('[data-health-url]');
const element = (name) => root.querySelector(`[data-${name}]`);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
// Response times in milliseconds; null for failed checks.
const samples = [];
let currentStatus = '';
let since = new Date();
let lastResponse = null;

async function check() {
  const start = performance.now();
  try {
    const response = await fetch(root.dataset.healthUrl, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    const health = await response.json();
    if (!(health.status in TITLES)) throw new Error('unexpected response');
    lastResponse = new Date();
    return { ms: performance.now() - start, status: health.status, checks: health.checks };
  } catch {
    return { ms: null, status: 'down', checks: null };
  }
}

function show({ ms, status, checks }) {
  samples.push(ms);
  if (samples.length > MAX_SAMPLES) samples.shift();
  if (status !== currentStatus) {
    currentStatus = status;
    since = new Date();
    element('title').textContent = TITLES[status];
    element('status').dataset.status = status;
  }
  const failed = ms === null;
  element('since').textContent = failed && lastResponse
    ? `Since ${clock.format(since)}. Last response at ${clock.format(lastResponse)}. Retrying.`
    : failed ? `No response since ${clock.format(since)}. Retrying.` : `Since ${clock.format(since)}.`;
  const times = samples.filter((sample) => sample !== null).sort((a, b) => a - b);
  const format = (time) => (time === undefined || time === null ? '–' : `${Math.round(time)} ms`);
  element('latest').textContent = failed ? 'No response' : format(ms);
  element('median').textContent = format(times[Math.floor(times.length / 2)]);
  element('slowest').textContent = format(times.at(-1));
  element('count').textContent = samples.length;
  if (checks) element('dependencies').replaceChildren(...checks.map(dependencyRow));
  drawChart(times.at(-1) ?? 1);
}

function dependencyRow({ name, status, latency_ms }) {
  const row = document.createElement('li');
  const label = document.createElement('span');
  label.textContent = `${DEPENDENCIES[name] ?? name} `;
  const latency = document.createElement('span');
  latency.className = 'muted';
  latency.textContent = `${latency_ms} ms`;
  label.append(latency);
  const badge = document.createElement('span');
  const [text, tone] = BADGES[status] ?? [status, 'neutral'];
  badge.className = `badge ${tone}`;
  badge.textContent = text;
  row.append(label, badge);
  return row;
}

function drawChart(max) {
  const width = CHART.width / MAX_SAMPLES;
  const bars = samples.map((ms, index) => {
    const bar = document.createElementNS(SVG, 'rect');
    const height = ms === null ? CHART.height : Math.max(2, (ms / max) * (CHART.height - 4));
    const attributes = { x: index * width + 1, y: CHART.height - height, width: width - 2, height, rx: 1 };
    for (const [name, value] of Object.entries(attributes)) bar.setAttribute(name, value);
    if (ms === null) bar.setAttribute('class', 'failed');
    return bar;
  });
  element('chart').replaceChildren(...bars);
}

async function poll() {
  for (;;) {
    // Hidden pages don't poll.
    if (document.hidden) await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
    if (!document.hidden) show(await check());
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}

poll();
