// Writes the scenarios of the conformance suite, scenarios/*.json, config.json and machine-ids.json. Tokens and key sets are signed with the keys of the test
// vectors. RS256 is deterministic, so the files change only with this program.
//
// Usage: node generate.mjs [--check]
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { readFileSync, writeFileSync, mkdirSync, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const keys = Object.fromEntries(['issuer', 'previous', 'root', 'next-root', 'foreign'].map((name) => {
  const privateKey = createPrivateKey(readFileSync(here(`../../tests/vectors/keys/${name}.pem`)))
  const { n, e } = createPublicKey(privateKey).export({ format: 'jwk' })
  const kid = createHash('sha256').update(JSON.stringify({ e, kty: 'RSA', n })).digest('base64url')
  return [name, { privateKey, jwk: { kty: 'RSA', use: 'sig', alg: 'RS256', kid, n, e } }]
}))

function jws(typ, claims, key, header = {}) {
  const input = `${encode({ alg: 'RS256', typ, kid: keys[key].jwk.kid, ...header })}.${encode(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), keys[key].privateKey).toString('base64url')}`
}

// The time at which most scenarios start, 2026-01-15T12:00:00Z.
const NOW = 1768478400
const HOUR = 3600
const DAY = 86400
const ISSUER = 'https://licenses.example.com'
const PRODUCT = 'atlas'
const KEY = 'ATLAS-7K3QM-9V2XD-H4T8N-B6RZP-3WJ5C-FPZ08'
const OTHER_KEY = 'ATLAS-5D8JH-2N6WQ-K9R3T-V7XBM-4ZC1G-EY62A'
const ACTIVATION = 'act_01KF0RDQG0P2TC47RJJZBDNR0B_3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3_e0124a722b83d4dac330'
const time = (seconds) => new Date(seconds * 1000).toISOString()

// A license token that was signed at `iat`. Its times are those of a tier with tokens for an hour and three days of offline grace.
function token({ iat = NOW, exp = iat + HOUR, until = exp + 3 * DAY, interval = 900, machine = 'machine-1', instance, claims = {}, key = 'issuer', header, typ = 'license+jwt', activation } = {}) {
  return jws(typ, {
    iss: ISSUER, aud: PRODUCT, sub: 'lic_01KF0RDQG0P2TC47RJJZBDNR0B', iat, nbf: iat, exp, jti: `01KF0RDQG0P2TC47RJJZ${iat}`,
    customer_id: 'cus_01KF0RDQG0Z9T5VTKAX1JAVZX8', product_id: 'prod_01KF0RDQG0QFK4QQ5GWP3TJ2HJ',
    tier: { id: 'tier_01KF0RDQG0N0SYV3TDDCM1R1KA', code: 'pro', name: 'Pro' },
    features: ['export.pdf', 'sso'], feature_limits: { 'export.rows': 1000, projects: null, seats: 0 },
    limits: { max_users: 5, max_tenants: null },
    enforcement: { heartbeat_interval_seconds: interval, offline_until: until, license_expires_at: null },
    generation: 1,
    activation: activation === null ? undefined : { id: ACTIVATION, machine_id: machine, ...(instance && { instance_id: instance }) },
    ...claims
  }, key, header)
}

// A signed key set.
function keySet({ iat = NOW - HOUR, exp = iat + 7 * DAY, of = ['issuer'], root = 'root', claims = {}, typ = 'jwk-set+jwt', header } = {}) {
  return jws(typ, { iss: ISSUER, sub: ISSUER, iat, exp, keys: of.map((name) => keys[name].jwk), ...claims }, root, header)
}

const T0 = token()
const SET = keySet()
const CLOCK = { last_seen: NOW, behind: 0, set_back: 0, reference: NOW }
const json = (value) => JSON.stringify(value)

// What is stored: an activation at NOW, changed by the arguments. A part that is null is absent.
function stored({ token: text = T0, next = NOW + 900, in_grace = false, grace_ends_at = null, file = null, set = SET, key = KEY, clock = CLOCK, refusal = null } = {}) {
  const files = {}
  if (text) files['token.json'] = json({ token: text, next_heartbeat_at: next, in_grace, grace_ends_at, license_file: file })
  if (set) files['keys.jwt'] = set
  if (key) files['license-key'] = key
  if (clock) files['clock.json'] = json(clock)
  if (refusal) files['refusal.json'] = json({ id: 'stored', at: NOW, retry_at: null, ...refusal })
  return files
}

// Responses.
const jsonBody = (status, body, headers = {}) => ({ status, headers: { 'content-type': 'application/json', ...headers }, body })
const ok = (text, { now = NOW, next = now + 900, in_grace = false, grace_ends_at = null, status = 200 } = {}) =>
  jsonBody(status, { token: text, token_type: 'JWT', next_heartbeat_at: time(next), renewed: true, in_grace, grace_ends_at: grace_ends_at && time(grace_ends_at), new_field: { ignored: true } })
const problem = (status, code, more = {}, headers = {}) => ({
  status, headers: { 'content-type': 'application/problem+json', ...headers },
  body: { type: `${ISSUER}/problems/${code}`, title: code, status, code, detail: `detail of ${code}`, trace_id: '0'.repeat(32), ...more }
})
const page = (status, headers = {}) => ({ status, headers: { 'content-type': 'text/html', ...headers }, body: '<html><body>Sign in to the network</body></html>' })
const fault = (kind) => ({ fault: kind })
const done = jsonBody(200, { id: ACTIVATION, status: 'deactivated' })
// A response during which another process stores a refusal.
const raced = (response, code = 'revoked') => ({ ...response, during: { 'refusal.json': json({ id: 'other', code, at: NOW, retry_at: null }), 'token.json': null } })
const keysResponse = (set = SET) => ({ status: 200, headers: { 'content-type': 'application/jwt' }, body: set })

// Expected requests.
const activation = (license_key = KEY, more = {}) => ({ method: 'POST', path: '/api/v1.0/license-activations/activate', body: { license_key, machine_id: 'machine-1', ...more } })
const heartbeat = (text = T0, more = {}) => ({ method: 'POST', path: '/api/v1.0/license-keys/heartbeat', body: { token: text, machine_id: 'machine-1', ...more } })
const deactivation = (text = T0) => ({ method: 'POST', path: `/api/v1.0/license-activations/${ACTIVATION}/deactivate`, body: { token: text } })
const fetchKeys = { method: 'GET', path: '/.well-known/jwks.jwt' }

// Expected states.
const active = (until = NOW + HOUR, in_grace = false, grace_ends_at = null) => ({ state: 'Active', until, in_grace, grace_ends_at })
const offline = (reason = 'not_contacted', until = NOW + HOUR + 3 * DAY) => ({ state: 'Offline', until, reason })
const expired = (since = NOW + HOUR + 3 * DAY) => ({ state: 'Expired', since })
const refused = (code, retry_at = null) => ({ state: 'Refused', code, retry_at })
const unactivated = { state: 'Unactivated', has_license_key: false, reason: null }
const waiting = (reason = 'not_contacted') => ({ state: 'Unactivated', has_license_key: true, reason })
const tampered = { state: 'ClockTampered' }

const groups = {}
let group
const file = (name) => { group = groups[name] = [] }
function scenario(name, why, { storage = {}, options = {}, start = NOW, random = 0.5 }, ...steps) {
  group.push({ name, why, options, storage, start, random, steps })
}
const open = (state, next, more = {}) => ({ do: 'open', state, next, ...more })
const run = (responses, requests, state, next, more = {}) => ({ do: 'run', responses, requests, state, next, ...more })
const advance = (seconds, state, more = {}) => ({ do: 'advance', seconds, ...(state && { state }), ...more })
const setClock = (seconds, state, more = {}) => ({ do: 'set_clock', seconds, ...(state && { state }), ...more })
const call = (name, args, more = {}) => ({ do: name, ...args, ...more })

// ---------------------------------------------------------------------------------------------------------------------
file('states')

scenario('an empty storage is not activated', 'Without a license key nothing is requested.', {},
  open(unactivated, null),
  run([], [], unactivated, null),
  call('has', { feature: 'export.pdf' }, { result: false }),
  call('limit', { feature: 'export.rows' }, { result: 0 }))

scenario('a stored token is active without a request', 'An app starts without network.', { storage: stored() },
  open(active(), 900),
  call('has', { feature: 'export.pdf' }, { result: true }),
  call('has', { feature: 'export' }, { result: false }),
  call('limit', { feature: 'export.rows' }, { result: 1000 }),
  call('limit', { feature: 'projects' }, { result: 'unlimited' }),
  call('limit', { feature: 'seats' }, { result: 0 }),
  call('limit', { feature: 'other' }, { result: 0 }))

scenario('a token is active until exp, offline until offline_until, and then expired', 'The limits belong to the earlier state.', { storage: stored(), start: NOW },
  open(active(), 900),
  advance(HOUR, active()),
  advance(1, offline()),
  call('has', { feature: 'export.pdf' }, { result: true }),
  advance(3 * DAY - 1, offline()),
  advance(1, expired()),
  call('has', { feature: 'export.pdf' }, { result: false }),
  call('limit', { feature: 'export.rows' }, { result: 0 }))

scenario('a token whose exp has passed at the start is offline', 'A laptop is opened on a journey.', { storage: stored(), start: NOW + DAY },
  open(offline(), 2.5))

scenario('a token whose offline_until has passed at the start is expired', 'The background task still tries to renew it.', { storage: stored(), start: NOW + 4 * DAY },
  open(expired(), 2.5),
  advance(3),
  run([keysResponse(keySet({ iat: NOW + 4 * DAY - HOUR })), ok(token({ iat: NOW + 4 * DAY + 3 }), { now: NOW + 4 * DAY + 3 })], [fetchKeys, heartbeat()], active(NOW + 4 * DAY + 3 + HOUR), 945,
    { changes: [active(NOW + 4 * DAY + 3 + HOUR)] }))

scenario('a stored refusal wins over a valid token', 'It survives a restart.', { storage: stored({ refusal: { code: 'revoked' } }) },
  open(refused('revoked'), null),
  call('has', { feature: 'export.pdf' }, { result: false }))

scenario('a refusal wins over a clock that was set back', 'The first row of the table decides.', { storage: stored({ refusal: { code: 'revoked' }, clock: { ...CLOCK, set_back: 90000 } }) },
  open(refused('revoked'), null))

scenario('a missing token wins over a clock that was set back', 'There is nothing to protect.', { storage: stored({ token: null, key: null, clock: { ...CLOCK, set_back: 90000 } }) },
  open(unactivated, null))

scenario('a clock that was set back wins over an expired token', 'Only an answer of the API says what is true.', { storage: stored({ clock: { ...CLOCK, last_seen: NOW + 10 * DAY, set_back: 90000 } }), start: NOW + 10 * DAY },
  open(tampered, 2.5))

scenario('a license key in grace says until when', 'Both fields come with a response.', { storage: stored({ in_grace: true, grace_ends_at: NOW + 5 * DAY }) },
  open(active(NOW + HOUR, true, NOW + 5 * DAY), 900))

scenario('the grace begins with a heartbeat', 'The app asks its user to renew.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([ok(token({ iat: NOW + 900 }), { now: NOW + 900, in_grace: true, grace_ends_at: NOW + 5 * DAY })], [heartbeat()], active(NOW + 900 + HOUR, true, NOW + 5 * DAY), 945,
    { changes: [active(NOW + 900 + HOUR, true, NOW + 5 * DAY)] }))

scenario('the end of the license key ends a token at once', 'exp and offline_until are the end of the license key. Nothing is added to them.', {
  storage: stored({ token: token({ exp: NOW + 600, until: NOW + 600 }) }) },
  open(active(NOW + 600), 900),
  advance(600, active(NOW + 600)),
  advance(1, expired(NOW + 600)))

scenario('the end of the grace ends a token before its offline grace', 'offline_until is the end of the grace.', {
  storage: stored({ token: token({ until: NOW + 2 * HOUR }), in_grace: true, grace_ends_at: NOW + 2 * HOUR }) },
  open(active(NOW + HOUR, true, NOW + 2 * HOUR), 900),
  advance(HOUR + 1, offline('not_contacted', NOW + 2 * HOUR)),
  advance(HOUR, expired(NOW + 2 * HOUR)))

scenario('a run at the end of a token reports the change without a request', 'Nothing is due.', { storage: stored({ next: NOW + 5 * DAY, set: keySet({ iat: NOW + 4 * DAY }) }) },
  open(active(), 5 * DAY),
  advance(HOUR),
  run([], [], active(), null, { next: 5 * DAY - HOUR, changes: [] }),
  advance(1),
  run([], [], offline(), null, { next: 5 * DAY - HOUR - 1, changes: [offline()] }),
  advance(3 * DAY),
  run([], [], expired(), null, { next: 2 * DAY - HOUR - 1, changes: [expired()] }))

scenario('changes of state are reported once', 'A renewed token is not a change, and time alone can be one.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([ok(token({ iat: NOW + 900 }), { now: NOW + 900 })], [heartbeat()], active(NOW + 900 + HOUR), 945, { changes: [] }),
  advance(945),
  run([fault('connection')], [heartbeat(token({ iat: NOW + 900 }))], active(NOW + 900 + HOUR), 5, { changes: [] }),
  advance(4),
  run([], [], active(NOW + 900 + HOUR), 1, { changes: [] }),
  advance(HOUR),
  run([fault('connection')], [heartbeat(token({ iat: NOW + 900 }))], offline('network', NOW + 900 + HOUR + 3 * DAY), 10, { changes: [offline('network', NOW + 900 + HOUR + 3 * DAY)] }),
  advance(10),
  run([page(503)], [heartbeat(token({ iat: NOW + 900 }))], offline('http_503', NOW + 900 + HOUR + 3 * DAY), 20, { changes: [offline('http_503', NOW + 900 + HOUR + 3 * DAY)] }))

// ---------------------------------------------------------------------------------------------------------------------
file('activation')

scenario('activate stores the token, the keys and the license key', 'The key set is fetched to verify the token.', {},
  open(unactivated, null),
  call('activate', { license_key: ` ${KEY}\n` }, { responses: [ok(T0, { status: 201 }), keysResponse()], requests: [activation(), fetchKeys], state: active(), next: 945, changes: [active()],
    storage: { 'token.json': { token: T0, next_heartbeat_at: NOW + 945, in_grace: false, grace_ends_at: null, license_file: null }, 'keys.jwt': SET, 'license-key': KEY, 'refusal.json': null,
      'clock.json': { last_seen: NOW, behind: 0, set_back: 0, reference: NOW } } }),
  call('restart', {}),
  open(active(), 945))

scenario('activate sends what the app says of the machine', 'The dashboard shows it.', { options: { machine_name: 'Build 7', app_version: '4.2.0', os: 'linux x86_64', hostname: 'build-07' } },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()],
    requests: [activation(KEY, { machine_name: 'Build 7', app_version: '4.2.0', os: 'linux x86_64', hostname: 'build-07' }), fetchKeys], state: active(), next: 945 }),
  advance(945),
  run([ok(T0, { now: NOW + 945 })], [heartbeat(T0, { app_version: '4.2.0', os: 'linux x86_64', hostname: 'build-07' })], active(), 945))

scenario('texts about the machine are cut to the lengths that the API allows', 'Bytes count, and no character is cut in half.', {
  options: { machine_name: `x${'é'.repeat(60)}`, app_version: `4.2.0-${'€'.repeat(20)}`, os: '😀'.repeat(17), hostname: 'h'.repeat(65) } },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()],
    requests: [activation(KEY, { machine_name: `x${'é'.repeat(49)}`, app_version: `4.2.0-${'€'.repeat(8)}`, os: '😀'.repeat(16), hostname: 'h'.repeat(64) }), fetchKeys], state: active(), next: 945 }),
  advance(945),
  run([ok(T0, { now: NOW + 945 })], [heartbeat(T0, { app_version: `4.2.0-${'€'.repeat(8)}`, os: '😀'.repeat(16), hostname: 'h'.repeat(64) })], active(), 945))

scenario('texts about the machine have no control and invisible characters', 'The API refuses them. A text of which nothing is left is not sent.', {
  options: { machine_name: '\ufeffBüro\u200b 7\u202e\n', app_version: '4.2\u0007.0', os: '\u2060linux\u00ad x86_64\u0085', hostname: '\u0000\u200d' } },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()], requests: [activation(KEY, { machine_name: 'Büro 7', app_version: '4.2.0', os: 'linux x86_64' }), fetchKeys], state: active(), next: 945 }),
  call('offline_request', {}, { result: { product: PRODUCT, machine_id: 'machine-1', machine_name: 'Büro 7' } }))

scenario('the license key is not stored if that is switched off', 'The app keeps it itself.', { options: { keep_license_key: false } },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()], requests: [activation(), fetchKeys], state: active(), next: 945, storage: { 'license-key': null } }))

scenario('a license key that an earlier version stored is removed if that is switched off', 'It is removed at the start.', { storage: stored(), options: { keep_license_key: false } },
  open(active(), 900, { storage: { 'license-key': null, 'token.json': { token: T0 } } }),
  call('release', {}, { responses: [done], requests: [deactivation()], state: unactivated, next: null, storage: { 'license-key': null } }))

for (const code of ['revoked', 'superseded', 'generation_outdated']) {
  scenario(`activate is refused with ${code}`, 'The refusal survives a restart, and the license key is not stored.', {},
    open(unactivated, null),
    call('activate', { license_key: KEY }, { responses: [problem(403, code)], requests: [activation()], error: code, message: [`detail of ${code}`], state: refused(code), next: null, changes: [refused(code)],
      storage: { 'license-key': null, 'token.json': null } }),
    call('restart', {}),
    open(refused(code), null))
}

const noSuchKey = 'the license key was not activated: there is no such license key'
scenario('activate with a license key that does not exist changes nothing', 'The user mistypes it.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(404, 'not_found')], requests: [activation()], error: 'not_found', message: [noSuchKey], message_excludes: ['detail of not_found'], state: unactivated, next: null, changes: [],
    storage: { 'license-key': null, 'token.json': null, 'refusal.json': null } }),
  call('activate', { license_key: OTHER_KEY }, { responses: [ok(T0, { status: 201 }), keysResponse()], requests: [activation(OTHER_KEY), fetchKeys], state: active(), next: 945, storage: { 'license-key': OTHER_KEY } }))

scenario('activate with a license key that does not exist keeps a refusal', 'It is about another license key.', { storage: stored({ token: null, key: null, refusal: { code: 'revoked' } }) },
  open(refused('revoked'), null),
  call('activate', { license_key: KEY }, { responses: [problem(404, 'not_found')], requests: [activation()], error: 'not_found', state: refused('revoked'), next: null, changes: [], storage: { 'license-key': null, 'refusal.json': { id: 'stored', code: 'revoked' } } }))

scenario('activate with the stored license key that is gone is refused', 'An operator deleted the license.', { storage: stored({ token: null }) },
  open(waiting(), 2.5),
  call('activate', { license_key: KEY }, { responses: [problem(404, 'not_found')], requests: [activation()], error: 'not_found', state: refused('not_found'), next: null, changes: [refused('not_found')], storage: { 'refusal.json': { code: 'not_found' } } }))

for (const code of ['suspended', 'expired', 'product_inactive']) {
  scenario(`activate is refused with ${code}, and tried again`, 'The customer pays, and the app goes on without another step.', {},
    open(unactivated, null),
    call('activate', { license_key: KEY }, { responses: [problem(403, code)], requests: [activation()], error: code, state: refused(code), next: HOUR + 30, storage: { 'license-key': KEY } }),
    advance(HOUR + 30),
    run([problem(403, code)], [activation()], refused(code), HOUR + 30, { changes: [] }),
    advance(HOUR + 30),
    run([ok(token({ iat: NOW + 7260 }), { now: NOW + 7260 }), keysResponse()], [activation(), fetchKeys], active(NOW + 7260 + HOUR), 945, { changes: [active(NOW + 7260 + HOUR)], storage: { 'refusal.json': null } }))
}

scenario('a full license is tried again when a lease ends', 'retry_at is a hint.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(409, 'seat_limit_reached', { retry_at: time(NOW + 300) })], requests: [activation()], error: 'seat_limit_reached', message: ['detail of seat_limit_reached'],
    state: refused('seat_limit_reached', NOW + 300), next: 330 }),
  advance(330),
  run([ok(token({ iat: NOW + 330 }), { now: NOW + 330 }), keysResponse()], [activation(), fetchKeys], active(NOW + 330 + HOUR), 945))

scenario('a full license without a hint is tried again after an hour', 'No lease was read.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(409, 'seat_limit_reached')], requests: [activation()], error: 'seat_limit_reached', state: refused('seat_limit_reached'), next: HOUR + 30 }))

scenario('an activation without network is completed later', 'The license key is stored, so that the background task can activate.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [fault('connection')], requests: [activation()], error: 'unreachable', message: ['fault: connection'], state: waiting('network'), next: 5, changes: [waiting('network')], storage: { 'license-key': KEY } }),
  advance(5),
  run([fault('timeout')], [activation()], waiting('network'), 10, { changes: [] }),
  advance(10),
  run([page(503)], [activation()], waiting('http_503'), 20, { changes: [waiting('http_503')] }),
  call('restart', {}),
  open(waiting(), 2.5),
  advance(3),
  run([ok(token({ iat: NOW + 18 }), { now: NOW + 18 }), keysResponse()], [activation(), fetchKeys], active(NOW + 18 + HOUR), 945))

scenario('another license key that is refused changes nothing', 'The customer mistypes a new license key while the present one works.', { storage: stored() },
  open(active(), 900),
  call('activate', { license_key: OTHER_KEY }, { responses: [problem(404, 'not_found')], requests: [activation(OTHER_KEY)], error: 'not_found', state: active(), next: 900, storage: { 'license-key': KEY, 'refusal.json': null } }),
  call('activate', { license_key: OTHER_KEY }, { responses: [problem(409, 'seat_limit_reached')], requests: [activation(OTHER_KEY)], error: 'seat_limit_reached', state: active(), next: 900, storage: { 'license-key': KEY } }),
  call('activate', { license_key: OTHER_KEY }, { responses: [fault('timeout')], requests: [activation(OTHER_KEY)], error: 'unreachable', message: ['fault: timeout'], state: active(), next: 900, storage: { 'license-key': KEY } }))

scenario('another license key replaces the present one', 'The customer bought a new license.', { storage: stored({ refusal: { code: 'revoked' } }) },
  open(refused('revoked'), null),
  call('activate', { license_key: OTHER_KEY }, { responses: [ok(T0, { status: 201 })], requests: [activation(OTHER_KEY)], state: active(), next: 945, storage: { 'license-key': OTHER_KEY, 'refusal.json': null } }))

scenario('the present license key that is refused stops the app', 'The app asks the API, and the API says no.', { storage: stored() },
  open(active(), 900),
  call('activate', { license_key: KEY }, { responses: [problem(403, 'revoked')], requests: [activation()], error: 'revoked', state: refused('revoked'), next: null, storage: { 'token.json': null } }))

scenario('another license key without network removes the refusal', 'The background task activates with it.', {},
  open(unactivated, null),
  call('activate', { license_key: OTHER_KEY }, { responses: [problem(403, 'revoked')], requests: [activation(OTHER_KEY)], error: 'revoked', state: refused('revoked'), next: null }),
  call('activate', { license_key: KEY }, { responses: [fault('connection')], requests: [activation()], error: 'unreachable', state: waiting('network'), next: 5, storage: { 'refusal.json': null, 'license-key': KEY } }),
  advance(5),
  run([ok(token({ iat: NOW + 5 }), { now: NOW + 5 }), keysResponse()], [activation(), fetchKeys], active(NOW + 5 + HOUR), 945))

scenario('a license key without a token is refused by its format', 'A problem that says nothing about the license is no refusal.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(422, 'invalid_value', { errors: [{ pointer: '/license_key', code: 'invalid_value', detail: 'must be a license key' }] })], requests: [activation()], error: 'invalid_value', message: ['detail of invalid_value', '/license_key', 'must be a license key'], state: unactivated, next: null, storage: { 'license-key': null } }))

scenario('an activation during an outage of the API is unreachable', 'A problem with a 5xx status does not give its code.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(503, 'unavailable', {}, { 'retry-after': '30' })], requests: [activation()], error: 'unreachable', message: ['http_503'], state: waiting('http_503'), next: 30 }))

scenario('an activation that is limited is tried again after Retry-After', 'A problem with 429 is no refusal.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(429, 'rate_limited', {}, { 'retry-after': '120' })], requests: [activation()], error: 'rate_limited', message: ['detail of rate_limited'], state: waiting('http_429'), next: 120 }))

const invalidFields = ['machine_id', 'instance_id', 'os', 'hostname'].map((field) => ({ pointer: `/${field}`, code: 'invalid_value', detail: `${field} is not valid` }))
scenario('the message of an error names the fields that are not valid', 'Support reads it. At most three fields are named.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(422, 'invalid_value', { errors: invalidFields })], requests: [activation()], error: 'invalid_value',
    message: ['detail of invalid_value', '/machine_id: machine_id is not valid', '/instance_id: instance_id is not valid', '/os: os is not valid'], state: unactivated, next: null }))

scenario('the message of an error has one line', 'It is written to a log.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(422, 'invalid_value', { detail: 'the first line\nthe second line', errors: [{ pointer: '/os', code: 'invalid_value', detail: 'is\tnot valid' }] })],
    requests: [activation()], error: 'invalid_value', message: ['the first line the second line', '/os: is not valid'], state: unactivated, next: null }))

scenario('the message of an error keeps the spaces of a detail', 'They are not joined.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(422, 'invalid_value', { detail: 'one  two\t\nthree' })], requests: [activation()], error: 'invalid_value', message: ['the license key was not activated: one  two  three'], state: unactivated, next: null }))

const partOfField = [{ pointer: '/os' }, { detail: 'x' }, { pointer: 7, detail: 'x' }, { pointer: '/os', detail: null }]
scenario('the message of an error leaves out fields without a pointer or a detail', 'They do not count.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(422, 'invalid_value', { errors: [...partOfField, { pointer: '/hostname', code: 'invalid_value', detail: 'is not valid' }] })], requests: [activation()], error: 'invalid_value',
    message: ['the license key was not activated: detail of invalid_value; /hostname: is not valid'], state: unactivated, next: null }))

scenario('the message of an error has at most 300 characters of a detail', 'A proxy can answer with a long text.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(422, 'invalid_value', { detail: 'd'.repeat(5000) })], requests: [activation()], error: 'invalid_value', message: ['d'.repeat(300)], state: unactivated, next: null }))

scenario('the message of an error without a detail has its code', 'A field of another type counts as absent.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(422, 'invalid_value', { detail: 7, errors: [1, null, { pointer: 2, detail: 'x' }, {}] })], requests: [activation()], error: 'invalid_value', message: ['invalid_value'], state: unactivated, next: null }),
  call('activate', { license_key: KEY }, { responses: [problem(422, 'invalid_value', { detail: undefined, errors: { pointer: '/os' } })], requests: [activation()], error: 'invalid_value', message: ['invalid_value'], state: unactivated, next: null }))

for (const [what, response, message, reason = message] of [
  ['a name that is not found', fault('dns'), 'fault: dns', 'network'], ['a certificate that is not trusted', fault('tls'), 'fault: tls', 'network'], ['a response that is cut off', fault('truncated'), 'fault: truncated', 'network'],
  ['a page with 403', page(403), 'http_403'], ['a page of a captive portal', page(200), 'invalid_response']
]) {
  scenario(`the message of an activation with ${what} says why`, 'The user cannot see it otherwise.', {},
    open(unactivated, null),
    call('activate', { license_key: KEY }, { responses: [response], requests: [activation()], error: 'unreachable', message: [message], state: waiting(reason), next: 5 }))
}

scenario('a refusal that is cleared by hand', 'The user tries again after the license key was reinstated.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
  open(refused('suspended'), 2.5),
  call('activate', { license_key: KEY }, { responses: [ok(T0)], requests: [activation()], state: active(), next: 945, changes: [active()] }))

for (const [what, bad] of Object.entries({
  'for another machine': { machine: 'machine-2' },
  'for several products': { claims: { aud: ['borealis'] } },
  'of another product and machine': { machine: 'machine-2', claims: { aud: 'borealis' } },
  'of another product and issuer': { claims: { aud: 'borealis', iss: 'https://other.example.com' } },
  'of another product that is not signed': { key: 'foreign', header: { kid: keys.issuer.jwk.kid }, claims: { aud: 'borealis' } },
  'of another issuer': { claims: { iss: 'https://other.example.com' } },
  'of a process': { instance: 'worker-1' },
  'without an activation': { activation: null },
  'with another type': { typ: 'JWT' },
  'with a critical header': { header: { crit: ['b64'] } }
})) {
  scenario(`a response with a token ${what} is no token`, 'The response counts as unreachable.', { storage: stored({ token: null, key: null }) },
    open(unactivated, null),
    call('activate', { license_key: KEY }, { responses: [ok(token(bad))], requests: [activation()], error: 'unreachable', message: ['invalid_response'], state: waiting('invalid_response'), next: 5, storage: { 'token.json': null } }))
}

// A token for a license key of another product of the same vendor.
const WRONG = token({ claims: { aud: 'borealis' } })
// The activation took a seat.
const wrong = (text = WRONG) => ok(text, { status: 201 })
const wrongProduct = 'it is for the product "borealis", not "atlas"'

scenario('activate with a license key of another product changes nothing', 'The client frees the seat at once.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [wrong(), keysResponse(), done], requests: [activation(), fetchKeys, deactivation(WRONG)], error: 'wrong_product',
    message: [`the license key was not activated: ${wrongProduct}`], state: unactivated, next: null, changes: [], storage: { 'license-key': null, 'token.json': null, 'refusal.json': null, 'keys.jwt': SET } }),
  call('diagnose', {}, { contains: ['last failure: 2026-01-15T12:00:00Z, activate: wrong_product\n'] }))

for (const [what, response] of [['without network', fault('timeout')], ['with a refusal', problem(409, 'borrow_return_limit')], ['with a page', page(503)]]) {
  scenario(`a seat of another product that cannot be freed ${what}`, 'Its lease ends by itself. The present license stays in use.', { storage: stored() },
    open(active(), 900),
    call('activate', { license_key: OTHER_KEY }, { responses: [wrong(), response], requests: [activation(OTHER_KEY), deactivation(WRONG)], error: 'wrong_product', message: [wrongProduct], state: active(), next: 900, changes: [],
      storage: { 'license-key': KEY, 'token.json': { token: T0 }, 'refusal.json': null } }),
    call('diagnose', {}, { contains: ['last failure: 2026-01-15T12:00:00Z, activate: wrong_product\n'] }))
}

scenario('a seat of another product that the machine had already is kept', 'Another app of the vendor has the same machine id. Status 200 says that the activation took no seat.', { storage: stored() },
  open(active(), 900),
  call('activate', { license_key: OTHER_KEY }, { responses: [ok(WRONG)], requests: [activation(OTHER_KEY)], error: 'wrong_product', message: [wrongProduct], state: active(), next: 900, changes: [],
    storage: { 'license-key': KEY, 'token.json': { token: T0 }, 'refusal.json': null } }))

scenario('a token of another product is recognized whatever its times', 'The API reuses a token that is recent.', { storage: stored() },
  open(active(), 900),
  call('activate', { license_key: OTHER_KEY }, { responses: [wrong(token({ iat: NOW - 10 * DAY, claims: { aud: 'borealis' } })), done], requests: [activation(OTHER_KEY), deactivation(token({ iat: NOW - 10 * DAY, claims: { aud: 'borealis' } }))],
    error: 'wrong_product', state: active(), next: 900, changes: [], storage: { 'clock.json': CLOCK } }))

const longProduct = token({ claims: { aud: `new\nproduct-${'x'.repeat(200)}` } })
scenario('the name of another product in a message has one line of at most 100 characters', 'It is a text of a response.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [wrong(longProduct), keysResponse(), done], requests: [activation(), fetchKeys, deactivation(longProduct)], error: 'wrong_product',
    message: [`it is for the product "new product-${'x'.repeat(88)}", not "atlas"`], state: unactivated, next: null }))

scenario('activate with the stored license key that is of another product is refused', 'The app file has another product since.', { storage: stored() },
  open(active(), 900),
  call('activate', { license_key: KEY }, { responses: [wrong(), done], requests: [activation(), deactivation(WRONG)], error: 'wrong_product', message: [wrongProduct], state: refused('wrong_product'), next: null, changes: [refused('wrong_product')],
    storage: { 'license-key': KEY, 'token.json': null, 'refusal.json': { code: 'wrong_product', retry_at: null } } }))

scenario('the background task activates with a license key of another product', 'It does not try again. The app calls activate, or refresh.', { storage: stored({ token: null }) },
  open(waiting(), 2.5),
  advance(3),
  run([wrong(), done], [activation(), deactivation(WRONG)], refused('wrong_product'), null, { changes: [refused('wrong_product')] }),
  call('restart', {}),
  open(refused('wrong_product'), null),
  call('refresh', {}, { responses: [wrong(), fault('timeout')], requests: [activation(), deactivation(WRONG)], state: refused('wrong_product'), next: null }),
  call('activate', { license_key: OTHER_KEY }, { responses: [ok(token({ iat: NOW + 3 }), { now: NOW + 3 })], requests: [activation(OTHER_KEY)], state: active(NOW + 3 + HOUR), next: 945, storage: { 'license-key': OTHER_KEY, 'refusal.json': null } }))

const RETRIED = ['seat_limit_reached', 'suspended', 'expired', 'product_inactive', 'not_activated', 'token_invalid', 'machine_mismatch']
for (const code of RETRIED) {
  const refusal = { code, retry_at: code === 'seat_limit_reached' ? NOW + 2 * DAY : null }
  scenario(`a stored refusal with ${code} is asked about once after a start`, 'The vendor reinstates the license, and the user starts the app again.', { storage: stored({ token: null, refusal }) },
    open(refused(code, refusal.retry_at), 2.5),
    advance(3),
    run([problem(403, 'suspended')], [activation()], refused('suspended'), HOUR + 30),
    call('restart', {}),
    open(refused('suspended'), 2.5),
    advance(3),
    run([ok(token({ iat: NOW + 6 }), { now: NOW + 6 })], [activation()], active(NOW + 6 + HOUR), 945, { changes: [active(NOW + 6 + HOUR)], storage: { 'refusal.json': null } }))
  scenario(`a stored refusal with ${code} without a license key is not asked about`, 'There is nothing to ask with.', { storage: stored({ token: null, key: null, refusal }) },
    open(refused(code, refusal.retry_at), null))
}

for (const code of ['revoked', 'superseded', 'generation_outdated', 'not_found', 'wrong_product']) {
  scenario(`a stored refusal with ${code} is not asked about after a start`, 'It lasts until the app asks.', { storage: stored({ token: null, refusal: { code } }) },
    open(refused(code), null), advance(10), run([], [], refused(code), null))
}

scenario('the question after a start gets no answer', 'The next try is that of the refusal.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
  open(refused('suspended'), 2.5),
  advance(3),
  run([fault('dns')], [activation()], refused('suspended'), HOUR + 27, { changes: [] }))

scenario('the question after a start gets no answer long after the refusal', 'The next try is that after a failure.', { storage: stored({ token: null, refusal: { code: 'suspended' } }), start: NOW + DAY },
  open(refused('suspended'), 2.5),
  advance(3),
  run([fault('dns')], [activation()], refused('suspended'), 5, { changes: [] }))

scenario('refresh is the question after a start', 'It is not asked twice.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
  open(refused('suspended'), 2.5),
  call('refresh', {}, { responses: [fault('dns')], requests: [activation()], state: refused('suspended'), next: HOUR + 30 }))

const notShown = (text) => ({ responses: [problem(422, 'invalid_value', { detail: `${text} is not valid, nor is ${text}`, errors: [{ pointer: `/${text}`, code: 'invalid_value', detail: `the value is ${text}` }] })], requests: [activation()], error: 'invalid_value',
  message: ['the license key was not activated: … is not valid, nor is …; /…: the value is …'], message_excludes: [text] })
scenario('a response that contains the license key', 'It is not shown in the message.', {},
  open(unactivated, null),
  call('activate', { license_key: ` ${KEY} ` }, { ...notShown(KEY), state: unactivated, next: null }))

scenario('a response that contains the stored license key or the token', 'The messages and the text for support do not show them.', { storage: stored() },
  open(active(), 900),
  call('activate', { license_key: OTHER_KEY }, { ...notShown(KEY), requests: [activation(OTHER_KEY)], state: active(), next: 900 }),
  call('activate', { license_key: OTHER_KEY }, { ...notShown(T0), requests: [activation(OTHER_KEY)], state: active(), next: 900 }),
  call('borrow', { until: NOW + DAY }, { responses: [problem(422, 'invalid_value', { detail: `${'d'.repeat(290)} ${T0}` })], requests: [heartbeat(T0, { borrow_until: '2026-01-16T12:00:00Z' })], error: 'invalid_value',
    message: [`${'d'.repeat(290)} …`], message_excludes: [T0.slice(0, 9)], state: active(), next: 900 }),
  advance(900),
  run([problem(403, `not-${T0}`)], [heartbeat()], active(), 5),
  call('diagnose', {}, { contains: ['last failure: 2026-01-15T12:15:00Z, heartbeat: not-…\n'], excludes: [T0.slice(0, 9), KEY] }))

scenario('a license key that is shorter than 8 characters is shown', 'It is none, and may be part of a word.', {},
  open(unactivated, null),
  call('activate', { license_key: 'invalid' }, { responses: [problem(422, 'invalid_value')], requests: [activation('invalid')], error: 'invalid_value', message: ['the license key was not activated: detail of invalid_value'], state: unactivated, next: null }),
  call('activate', { license_key: 'invalid_' }, { responses: [problem(422, 'invalid_value')], requests: [activation('invalid_')], error: 'invalid_value', message: ['the license key was not activated: detail of …value'], state: unactivated, next: null }))

// ---------------------------------------------------------------------------------------------------------------------
file('heartbeats')

scenario('a heartbeat renews the token when it is due', 'The time has a random part, so that machines do not send heartbeats together.', { storage: stored() },
  open(active(), 900),
  advance(899),
  run([], [], active(), 1),
  advance(1),
  run([ok(token({ iat: NOW + 900 }), { now: NOW + 900 })], [heartbeat()], active(NOW + 900 + HOUR), 945,
    { storage: { 'token.json': { token: token({ iat: NOW + 900 }), next_heartbeat_at: NOW + 1845 }, 'clock.json': { last_seen: NOW + 900, reference: NOW + 900 } } }))

scenario('the delay of a heartbeat is between the interval and a tenth more', 'The random part is 0 here.', { storage: stored(), random: 0 },
  open(active(), 900),
  advance(900),
  run([ok(token({ iat: NOW + 900 }), { now: NOW + 900 })], [heartbeat()], active(NOW + 900 + HOUR), 900))

scenario('the same token is returned', 'The API reuses a token that is recent.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([ok(T0, { now: NOW + 900 })], [heartbeat()], active(), 945))

scenario('the interval of the token is used if next_heartbeat_at makes no sense', 'The clock of the machine is wrong by an hour.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([ok(token({ iat: NOW + 900 }), { next: NOW - 10 })], [heartbeat()], active(NOW + 900 + HOUR), 945),
  advance(945),
  run([ok(token({ iat: NOW + 1845 }), { next: NOW + 1845 + 1801 })], [heartbeat(token({ iat: NOW + 900 }))], active(NOW + 1845 + HOUR), 945))

scenario('a short interval of a tier is kept', 'Floating licenses send heartbeats each minute.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([ok(token({ iat: NOW + 900, interval: 60 }), { now: NOW + 900, next: NOW + 960 })], [heartbeat()], active(NOW + 900 + HOUR), 63),
  advance(63),
  run([fault('connection')], [heartbeat(token({ iat: NOW + 900, interval: 60 }))], active(NOW + 900 + HOUR), 5),
  advance(5),
  run([fault('connection')], [heartbeat(token({ iat: NOW + 900, interval: 60 }))], active(NOW + 900 + HOUR), 10),
  advance(10),
  run([fault('connection')], [heartbeat(token({ iat: NOW + 900, interval: 60 }))], active(NOW + 900 + HOUR), 20),
  advance(20),
  run([fault('connection')], [heartbeat(token({ iat: NOW + 900, interval: 60 }))], active(NOW + 900 + HOUR), 30),
  advance(30),
  run([fault('connection')], [heartbeat(token({ iat: NOW + 900, interval: 60 }))], active(NOW + 900 + HOUR), 30))

for (const code of ['revoked', 'superseded', 'suspended', 'expired', 'product_inactive', 'generation_outdated']) {
  const again = ['suspended', 'expired', 'product_inactive'].includes(code)
  scenario(`a heartbeat is refused with ${code}`, 'The app stops, although its token is valid, also after a restart.', { storage: stored() },
    open(active(), 900),
    advance(900),
    run([problem(403, code)], [heartbeat()], refused(code), again ? HOUR + 30 : null, { changes: [refused(code)], storage: { 'token.json': null, 'refusal.json': { code, at: NOW + 900, retry_at: null }, 'license-key': KEY } }),
    call('restart', {}),
    open(refused(code), again ? 2.5 : null))
}

for (const [code, status] of [['not_activated', 403], ['token_invalid', 401], ['machine_mismatch', 403]]) {
  scenario(`a heartbeat that is refused with ${code} activates once`, 'The machine has lost its seat, or the key of the token was condemned.', { storage: stored() },
    open(active(), 900),
    advance(900),
    run([problem(status, code), ok(token({ iat: NOW + 900 }), { now: NOW + 900, status: 201 })], [heartbeat(), activation()], active(NOW + 900 + HOUR), 945, { changes: [] }))
  scenario(`a heartbeat that is refused with ${code} without a license key stops the app`, 'The app does not store it.', { storage: stored({ key: null }), options: { keep_license_key: false } },
    open(active(), 900),
    advance(900),
    run([problem(status, code)], [heartbeat()], refused(code), null, { changes: [refused(code)] }))
}

scenario('the activation after a lost seat is refused', 'Another machine has the seat.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([problem(403, 'not_activated'), problem(409, 'seat_limit_reached', { retry_at: time(NOW + 4500) })], [heartbeat(), activation()], refused('seat_limit_reached', NOW + 4500), 3630))

scenario('the activation after a lost seat is refused as not activated', 'It is not repeated at once.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([problem(403, 'not_activated'), problem(403, 'not_activated')], [heartbeat(), activation()], refused('not_activated'), HOUR + 30))

scenario('the activation after a lost seat is unreachable', 'The app goes on with its token.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([problem(403, 'not_activated'), fault('timeout')], [heartbeat(), activation()], active(), 5),
  advance(5),
  run([problem(403, 'not_activated'), ok(token({ iat: NOW + 905 }), { now: NOW + 905 })], [heartbeat(), activation()], active(NOW + 905 + HOUR), 945))

for (const [what, response, reason] of [
  ['no connection', fault('connection'), 'network'], ['no name', fault('dns'), 'network'], ['a certificate that is not trusted', fault('tls'), 'network'], ['no answer in time', fault('timeout'), 'network'],
  ['a response that is cut off', fault('truncated'), 'network'],
  ['a page of a captive portal', page(200), 'invalid_response'], ['a redirect', page(302, { location: 'https://portal.example.net/' }), 'http_302'],
  ['a page with 403', page(403), 'http_403'], ['a page with 404', page(404), 'http_404'], ['a page with 503', page(503), 'http_503'],
  ['JSON that is no problem', jsonBody(403, { code: 'revoked' }), 'http_403'],
  ['a problem of a 5xx', problem(503, 'unavailable'), 'http_503'], ['a 5xx with a license code', problem(500, 'revoked'), 'http_500'],
  ['a problem with an unknown code', problem(403, 'teapot'), 'http_403'], ['a problem whose code is no text', problem(403, 'revoked', { code: 1 }), 'http_403'],
  ['a problem that is no object', { status: 403, headers: { 'content-type': 'application/problem+json' }, body: '["revoked"]' }, 'http_403'],
  ['a problem that is cut off', { status: 403, headers: { 'content-type': 'application/problem+json' }, body: '{"code": "revoked"' }, 'http_403'],
  ['a heartbeat that is not found', problem(404, 'not_found'), 'http_404'],
  ['a success without a token', jsonBody(200, {}), 'invalid_response'], ['a success with a token that is no text', jsonBody(200, { token: 1 }), 'invalid_response'],
  ['a token of another product', ok(WRONG), 'invalid_response'], ['a token with another signature', ok(T0.slice(0, -4) + 'AAAA'), 'invalid_response'],
  ['an empty success', { status: 204, headers: {}, body: '' }, 'http_204']
]) {
  scenario(`a heartbeat with ${what} is unreachable`, 'It never stops an app whose token is valid.', { storage: stored(), start: NOW + 2 * HOUR },
    open(offline(), 2.5),
    advance(3),
    run([response], [heartbeat()], offline(reason), 5, { storage: { 'token.json': { token: T0 }, 'refusal.json': null } }))
}

scenario('a problem with parameters in its content type is a refusal', 'application/problem+json; charset=utf-8 is the same type.', { storage: stored(), start: NOW + 900 },
  open(active(), 2.5), advance(3),
  run([problem(403, 'revoked', {}, { 'content-type': 'Application/Problem+JSON; charset=utf-8' })], [heartbeat()], refused('revoked'), null))

scenario('failures are tried again with growing delays', 'The limit is the heartbeat interval.', { storage: stored(), start: NOW + 900 },
  open(active(), 2.5),
  advance(3),
  ...[5, 10, 20, 40, 80, 160, 320, 450, 450].flatMap((next) => [run([fault('connection')], [heartbeat()], null, next), advance(next)]),
  run([ok(token({ iat: NOW + 2438 }), { now: NOW + 2438 })], [heartbeat()], active(NOW + 2438 + HOUR), 945),
  advance(945),
  run([fault('connection')], [heartbeat(token({ iat: NOW + 2438 }))], active(NOW + 2438 + HOUR), 5))

scenario('a try follows a failure after at least a second', 'The random part is 0 here.', { storage: stored(), start: NOW + 900, random: 0 },
  open(active(), 0),
  run([fault('connection')], [heartbeat()], active(), 1))

scenario('Retry-After in seconds is honoured', 'A 503 of the API has it.', { storage: stored(), start: NOW + 900 },
  open(active(), 2.5), advance(3),
  run([problem(503, 'unavailable', {}, { 'retry-after': '90' })], [heartbeat()], active(), 90),
  advance(90),
  run([problem(503, 'unavailable', {}, { 'retry-after': '1' })], [heartbeat()], active(), 10))

scenario('Retry-After as a date is honoured', 'RFC 9110 allows both.', { storage: stored(), start: NOW + 900 },
  open(active(), 2.5), advance(3),
  run([problem(429, 'rate_limited', {}, { 'retry-after': 'Thu, 15 Jan 2026 12:20:03 GMT' })], [heartbeat()], active(), 300))

scenario('a Retry-After that makes no sense is ignored, and a long one is cut', 'A day is the limit.', { storage: stored({ set: keySet({ iat: NOW + HOUR }) }), start: NOW + 900 },
  open(active(), 2.5), advance(3),
  run([page(503, { 'retry-after': 'soon' })], [heartbeat()], active(), 5), advance(5),
  run([page(503, { 'retry-after': '9999999' })], [heartbeat()], null, DAY))

scenario('a heartbeat is sent after a computer has slept', 'The monotonic clock stood still.', { storage: stored() },
  open(active(), 900),
  setClock(8 * HOUR, offline(), { next: 0 }),
  run([ok(token({ iat: NOW + 8 * HOUR }), { now: NOW + 8 * HOUR })], [heartbeat()], active(NOW + 9 * HOUR), 945))

scenario('a process that starts often sends no heartbeat before it is due', 'next_heartbeat_at is stored.', { storage: stored(), start: NOW + 100 },
  open(active(), 800), run([], [], active(), 800), call('restart', {}), advance(100), open(active(), 700), run([], [], active(), 700))

// ---------------------------------------------------------------------------------------------------------------------
file('keys')

const T_PREVIOUS = token({ key: 'previous' })
const NEW_SET = keySet({ iat: NOW + 600, of: ['issuer', 'previous'] })

scenario('an unknown kid fetches the key set', 'A signing key was rotated.', { storage: stored(), start: NOW + 900 },
  open(active(), 2.5), advance(3),
  run([ok(token({ iat: NOW + 903, key: 'previous' }), { now: NOW + 903 }), keysResponse(NEW_SET)], [heartbeat(), fetchKeys], active(NOW + 903 + HOUR), 945, { storage: { 'keys.jwt': NEW_SET } }))

scenario('a token whose key stays unknown is no token', 'The key set does not contain the key.', { storage: stored(), start: NOW + 900 },
  open(active(), 2.5), advance(3),
  run([ok(token({ iat: NOW + 903, key: 'foreign' }), { now: NOW + 903 }), keysResponse(NEW_SET)], [heartbeat(), fetchKeys], active(), 5, { storage: { 'token.json': { token: T0 } } }))

scenario('a token whose key cannot be fetched is no token', 'The heartbeat is repeated.', { storage: stored(), start: NOW + 900 },
  open(active(), 2.5), advance(3),
  run([ok(token({ iat: NOW + 903, key: 'previous' }), { now: NOW + 903 }), fault('connection')], [heartbeat(), fetchKeys], active(), 5))

const unsigned = 'invalid_response: the key set is not signed by a root key of the configuration'
for (const [what, set, failure = 'invalid_response'] of [
  ['that another root key signed', keySet({ iat: NOW + 600, of: ['previous'], root: 'foreign' }), unsigned],
  ['that claims the kid of a root key', keySet({ iat: NOW + 600, of: ['previous'], root: 'foreign', header: { kid: keys.root.jwk.kid } }), unsigned],
  ['that a signing key signed', keySet({ iat: NOW + 600, of: ['previous'], root: 'issuer' }), unsigned],
  ['of another issuer', keySet({ iat: NOW + 600, of: ['previous'], claims: { iss: 'https://other.example.com' } })],
  ['of another subject', keySet({ iat: NOW + 600, of: ['previous'], claims: { sub: 'https://other.example.com' } })],
  ['of another type', keySet({ iat: NOW + 600, of: ['previous'], typ: 'license+jwt' })],
  ['that has expired', keySet({ iat: NOW - 1800, exp: NOW + 800, of: ['previous'] })],
  ['that is older than the stored one', keySet({ iat: NOW - 2 * HOUR, of: ['previous'] })],
  ['that is a page', '<html></html>'],
  ['that is no JWT', 'x.y.z']
]) {
  scenario(`a key set ${what} is not stored`, 'Who controls the network cannot give the app other keys.', { storage: stored(), start: NOW + 900 },
    open(active(), 2.5), advance(3),
    run([ok(token({ iat: NOW + 903, key: 'previous' }), { now: NOW + 903 }), keysResponse(set)], [heartbeat(), fetchKeys], active(), 5, { storage: { 'keys.jwt': SET } }),
    call('diagnose', {}, { contains: [`last failure: 2026-01-15T12:15:03Z, heartbeat: ${failure}\n`] }))
}

scenario('the message of an activation with a key set that no root key signed says so', 'The app file is that of another installation.', {},
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse(keySet({ root: 'foreign' }))], requests: [activation(), fetchKeys], error: 'unreachable', message: [`the license key was not activated: ${unsigned}`], state: waiting('invalid_response'), next: 5,
    storage: { 'keys.jwt': null, 'token.json': null } }))

scenario('a daily key set that no root key signed', 'The text for support says so.', { storage: stored({ next: NOW + 2 * DAY, token: token({ exp: NOW + 5 * DAY }) }) },
  open(active(NOW + 5 * DAY), DAY - HOUR),
  advance(DAY - HOUR),
  run([keysResponse(keySet({ iat: NOW + 40000, root: 'foreign' }))], [fetchKeys], active(NOW + 5 * DAY), HOUR, { storage: { 'keys.jwt': SET } }),
  call('diagnose', {}, { contains: [`last failure: 2026-01-16T11:00:00Z, fetch keys: ${unsigned}\n`] }))

scenario('a clock that was ahead does not make key sets expire', 'The smaller of the wall clock and the time of the client counts.', {
  storage: stored({ token: token({ exp: NOW + 40 * DAY }), next: NOW + DAY, set: keySet({ iat: NOW + 30 * DAY - HOUR - 1 }), clock: { ...CLOCK, last_seen: NOW + 30 * DAY } }) },
  open(tampered, 2.5),
  advance(3),
  run([ok(token({ iat: NOW + 3, key: 'previous' }), { now: NOW + 3 }), keysResponse(keySet({ iat: NOW + 30 * DAY, exp: NOW + 30 * DAY - 1, of: ['previous'] }))], [activation(), fetchKeys], active(NOW + 3 + HOUR), 945))

scenario('a key set that the second root key signed is stored', 'Root keys are replaced with a release of the app.', { storage: stored(), start: NOW + 900 },
  open(active(), 2.5), advance(3),
  run([ok(token({ iat: NOW + 903, key: 'previous' }), { now: NOW + 903 }), keysResponse(keySet({ iat: NOW + 600, of: ['previous', 'issuer'], root: 'next-root' }))], [heartbeat(), fetchKeys], active(NOW + 903 + HOUR), 945))

scenario('the key set is fetched once a day', 'The fetch is due 24 hours after the set was signed.', { storage: stored({ next: NOW + 2 * DAY, token: token({ exp: NOW + 5 * DAY }) }) },
  open(active(NOW + 5 * DAY), DAY - HOUR),
  advance(DAY - HOUR),
  run([keysResponse(keySet({ iat: NOW + 40000 }))], [fetchKeys], active(NOW + 5 * DAY), DAY + 1800, { storage: { 'keys.jwt': keySet({ iat: NOW + 40000 }) } }))

scenario('a key set that cannot be fetched is fetched after an hour', 'The stored one stays, and heartbeats go on.', { storage: stored({ next: NOW + 2 * DAY, token: token({ exp: NOW + 5 * DAY }) }) },
  open(active(NOW + 5 * DAY), DAY - HOUR),
  advance(DAY - HOUR),
  run([fault('dns')], [fetchKeys], active(NOW + 5 * DAY), HOUR, { storage: { 'keys.jwt': SET } }))

scenario('the key of the stored token was condemned', 'The token counts as absent, and the machine activates at once.', {
  storage: stored({ next: NOW + 2 * DAY, token: token({ exp: NOW + 5 * DAY }) }) },
  open(active(NOW + 5 * DAY), DAY - HOUR),
  advance(DAY - HOUR),
  run([keysResponse(keySet({ iat: NOW + 40000, of: ['previous'] })), ok(token({ iat: NOW + DAY - HOUR, key: 'previous' }), { now: NOW + DAY - HOUR })], [fetchKeys, activation()], active(NOW + DAY), 945,
    { changes: [] }))

scenario('the key of the stored token was condemned, and the license key is not stored', 'The app must ask for it.', {
  storage: stored({ next: NOW + 2 * DAY, token: token({ exp: NOW + 5 * DAY }), key: null }), options: { keep_license_key: false } },
  open(active(NOW + 5 * DAY), DAY - HOUR),
  advance(DAY - HOUR),
  run([keysResponse(keySet({ iat: NOW + 40000, of: ['previous'] }))], [fetchKeys], unactivated, DAY + 1800, { changes: [unactivated] }))

scenario('a stored key set that has expired still verifies', 'The API was not reachable for a month.', { storage: stored({ set: keySet({ iat: NOW - 30 * DAY }) }) },
  open(active(), 2.5))

scenario('a lost key set is fetched', 'The token cannot be verified until then.', { storage: stored({ set: null }) },
  open(waiting(), 2.5), advance(3),
  run([keysResponse()], [fetchKeys], active(), 897, { changes: [active()] }))

scenario('a lost key set cannot be fetched', 'The machine activates again; that fails, too.', { storage: stored({ set: null }) },
  open(waiting(), 2.5), advance(3),
  run([fault('connection'), fault('connection')], [fetchKeys, activation()], waiting('network'), 5))

// ---------------------------------------------------------------------------------------------------------------------
file('clock')

scenario('a clock that is set back by an hour is a correction', 'Time goes on with the monotonic clock.', { storage: stored() },
  open(active(), 900),
  setClock(-HOUR, active(), { storage: { 'clock.json': { last_seen: NOW, behind: HOUR, set_back: HOUR, reference: NOW } } }),
  advance(HOUR, active()),
  advance(1, offline()))

scenario('a clock that is set back by a minute is not a set-back', 'Clocks are adjusted all the time.', { storage: stored() },
  open(active(), 900),
  setClock(-60, active()),
  setClock(-60, active(), { storage: { 'clock.json': { set_back: 120 } } }))

scenario('a clock that is set back by more than a day stops the app', 'An answer of the API is the reference, and clears it.', { storage: stored() },
  open(active(), 900),
  setClock(-DAY - 1, tampered, { next: 0 }),
  call('has', { feature: 'export.pdf' }, { result: false }),
  run([fault('connection')], [activation()], tampered, 5, { changes: [tampered], storage: { 'token.json': { token: T0 } } }),
  advance(5),
  run([ok(token({ iat: NOW + 5 }), { now: NOW + 5 })], [activation()], active(NOW + 5 + HOUR), 945, { changes: [active(NOW + 5 + HOUR)],
    storage: { 'clock.json': { last_seen: NOW + 5, behind: DAY + 1, set_back: 0, reference: NOW + 5 } } }),
  call('restart', {}),
  open(active(NOW + 5 + HOUR), 945))

scenario('a day is the limit', 'Exactly a day is a correction.', { storage: stored() },
  open(active(), 900),
  setClock(-DAY, active()),
  setClock(-61, tampered))

scenario('set-backs add up', 'Each of them is small.', { storage: stored() },
  open(active(), 900),
  setClock(-50000, active()), setClock(50000, active()), setClock(-50000, tampered))

scenario('set-backs add up over restarts', 'They are stored.', { storage: stored() },
  open(active(), 900),
  setClock(-50000, active()), call('restart', {}), open(active(), 900), setClock(-50000, tampered), call('restart', {}), open(tampered, 2.5))

scenario('a set-back while the app is not running is seen', 'The last time seen is stored.', { storage: stored({ clock: { ...CLOCK, last_seen: NOW + 1800 } }), start: NOW },
  open(active(), 2.5, { storage: { 'clock.json': { last_seen: NOW + 1800, behind: 1800, set_back: 1800 } } }),
  advance(1800, active()),
  advance(1, offline()))

scenario('a set-back that was counted is not counted again', 'The wall clock stays behind.', { storage: stored({ clock: { last_seen: NOW + 1800, behind: 50000, set_back: 50000, reference: NOW } }), start: NOW + 1800 - 49000 },
  open(active(), 2.5, { storage: { 'clock.json': { set_back: 50000 } } }))

scenario('a clock before the token was signed is a set-back', 'The stored clock was removed.', { storage: stored({ clock: null }), start: NOW - 2 * HOUR },
  open(active(), 900, { storage: { 'clock.json': { last_seen: NOW, behind: 2 * HOUR, set_back: 2 * HOUR } } }))

scenario('a clock long before the token was signed stops the app', 'The stored clock was removed.', { storage: stored({ clock: null }), start: NOW - 2 * DAY },
  open(tampered, 2.5))

scenario('a clock that is wrong by hours from the start does no harm', 'The signed time of the token is the reference.', { start: NOW - 5 * HOUR },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()], requests: [activation(), fetchKeys], state: active(), next: 945, storage: { 'clock.json': { last_seen: NOW, behind: 5 * HOUR, set_back: 0, reference: NOW } } }),
  advance(945),
  run([ok(token({ iat: NOW + 945 }), { now: NOW + 945 })], [heartbeat()], active(NOW + 945 + HOUR), 945))

scenario('a clock that is ahead by hours does no harm', 'The signed time of the token is the reference. Correcting the clock is no set-back.', { start: NOW + 2 * HOUR },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()], requests: [activation(), fetchKeys], state: active(), next: 945, storage: { 'clock.json': { last_seen: NOW, behind: -2 * HOUR, set_back: 0, reference: NOW } } }),
  advance(100, active(), { next: 845 }),
  call('restart', {}),
  open(active(), 845),
  advance(845),
  run([ok(token({ iat: NOW + 945 }), { now: NOW + 945 })], [heartbeat()], active(NOW + 945 + HOUR), 945, { storage: { 'clock.json': { last_seen: NOW + 945, behind: -2 * HOUR, set_back: 0 } } }),
  setClock(-2 * HOUR, active(NOW + 945 + HOUR)),
  advance(60, active(NOW + 945 + HOUR), { storage: { 'clock.json': { behind: 0, set_back: 0 } } }),
  setClock(-2 * HOUR, active(NOW + 945 + HOUR), { storage: { 'clock.json': { set_back: 2 * HOUR, behind: 2 * HOUR } } }))

scenario('a clock that is ahead and is set back is noticed', 'It is set back by more than a day, and is still ahead.', { start: NOW + 40 * DAY },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse(keySet({ iat: NOW, exp: NOW + 50 * DAY }))], requests: [activation(), fetchKeys], state: active(), next: 945 }),
  setClock(-DAY - 1, tampered))

scenario('a clock that was far ahead does not lock out later tokens', 'The stored time is at most the end of the token.', { storage: stored(), start: NOW + 400 * DAY },
  open(expired(), 2.5, { storage: { 'clock.json': { last_seen: NOW + HOUR + 3 * DAY + 1 } } }),
  call('restart', {}),
  setClock(-400 * DAY),
  open(tampered, 2.5),
  advance(3),
  run([keysResponse(), ok(token({ iat: NOW + 3 }), { now: NOW + 3 })], [fetchKeys, activation()], active(NOW + 3 + HOUR), 945, { storage: { 'clock.json': { last_seen: NOW + 3, behind: 0, set_back: 0 } } }))

scenario('a refusal is an answer, too', 'A clock that was set back does not hide it.', { storage: stored() },
  open(active(), 900),
  setClock(-2 * DAY, tampered, { next: 0 }),
  run([problem(403, 'revoked')], [activation()], refused('revoked'), null))

scenario('a refused activation after a clock that was set back is a refusal', 'It is one with the stored license key.', { storage: stored() },
  open(active(), 900),
  setClock(-2 * DAY, tampered, { next: 0 }),
  run([problem(409, 'seat_limit_reached')], [activation()], refused('seat_limit_reached'), HOUR + 30, { changes: [refused('seat_limit_reached')], storage: { 'token.json': null, 'license-key': KEY } }))

scenario('refresh activates after a clock was set back', 'A heartbeat can bring the same token. The API signs another one for an activation.', { storage: stored() },
  open(active(), 900),
  setClock(-2 * DAY, tampered, { next: 0 }),
  call('refresh', {}, { responses: [problem(503, 'unavailable')], requests: [activation()], state: tampered, next: 5 }),
  call('refresh', {}, { responses: [ok(token({ iat: NOW + 1 }))], requests: [activation()], state: active(NOW + 1 + HOUR), next: 944, storage: { 'clock.json': { set_back: 0, reference: NOW + 1 } } }))

scenario('the same token as an answer does not clear the clock', 'The API reuses a recent token. A response that was recorded could be replayed, so only a later time counts. Each of them is a failure.', { storage: stored({ key: null }) },
  open(active(), 900),
  setClock(-2 * DAY, tampered, { next: 0 }),
  run([ok(T0, { now: NOW })], [heartbeat()], tampered, 5),
  advance(5),
  run([ok(T0, { now: NOW + 5 })], [heartbeat()], tampered, 10),
  advance(10),
  run([ok(T0, { now: NOW + 15 })], [heartbeat()], tampered, 20),
  advance(20),
  run([fault('dns')], [heartbeat()], tampered, 40),
  advance(40),
  run([ok(token({ iat: NOW + 75 }), { now: NOW + 75 })], [heartbeat()], active(NOW + 75 + HOUR), 945),
  advance(945),
  run([fault('dns')], [heartbeat(token({ iat: NOW + 75 }))], active(NOW + 75 + HOUR), 5))

scenario('the same token as the answer to an activation is a failure, too', 'Only a later time counts.', { storage: stored() },
  open(active(), 900),
  setClock(-2 * DAY, tampered, { next: 0 }),
  run([ok(T0, { now: NOW })], [activation()], tampered, 5),
  advance(5),
  run([ok(T0, { now: NOW + 5 })], [activation()], tampered, 10))

scenario('the same token does not set the clock back', 'A response is replayed after the end of its token.', { storage: stored() },
  open(active(), 900),
  advance(4 * DAY),
  run([keysResponse(keySet({ iat: NOW + 4 * DAY })), ok(T0, { now: NOW + 4 * DAY })], [fetchKeys, heartbeat()], expired(), 945))

scenario('a token that is older than the last one is no token', 'A response is replayed. The clocks of servers can differ by five minutes.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([ok(token({ iat: NOW - 301 }), { now: NOW + 900 })], [heartbeat()], active(), 5, { storage: { 'token.json': { token: T0 } } }),
  advance(5),
  run([ok(token({ iat: NOW - 300 }), { now: NOW + 905 })], [heartbeat()], active(NOW - 300 + HOUR), 945))

scenario('another process has got an answer of the API', 'Its clock has the later reference.', { storage: stored() },
  open(active(), 900), { ...open(active(), 900), client: 'b' },
  setClock(-2 * DAY),
  { do: 'state', client: 'b', state: tampered, next: 0 },
  run([ok(token({ iat: NOW + 5 }), { now: NOW + 5 })], [activation()], active(NOW + 5 + HOUR), 945),
  { ...run([], [], active(NOW + 5 + HOUR), 945), client: 'b' })

scenario('the clock of another process does not stop the time', 'Both observe the same clock, which is behind.', { storage: stored() },
  open(active(), 900), { ...open(active(), 900), client: 'b' },
  setClock(-HOUR),
  run([], [], active(), 900), { ...run([], [], active(), 900), client: 'b' },
  advance(100),
  run([], [], active(), 800), { ...run([], [], active(), 800), client: 'b' },
  advance(100),
  run([], [], active(), 700), { ...run([], [], active(), 700), client: 'b' },
  advance(HOUR - 200, active()), { do: 'state', client: 'b', state: active() },
  advance(1, offline()), { do: 'state', client: 'b', state: offline() })

// ---------------------------------------------------------------------------------------------------------------------
file('offline')

const fileOf = (text, { set = SET, ...more } = {}) => json({ format: 'signet-license/1', issuer: ISSUER, product: PRODUCT, token: text, signed_jwks: set, ...more })
const lasting = (iat = NOW, more = {}) => token({ iat, exp: iat + 30 * DAY, until: iat + 30 * DAY, ...more })
const FILE = fileOf(lasting())

scenario('a license file is imported', 'The machine never reaches the API. The key set of the file is not stored.', {},
  open(unactivated, null),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY), next: 945, changes: [active(NOW + 30 * DAY)], storage: { 'token.json': { token: lasting(), license_file: FILE }, 'keys.jwt': null } }),
  call('restart', {}),
  open(active(NOW + 30 * DAY), 945),
  advance(945),
  run([fault('dns')], [heartbeat(lasting())], active(NOW + 30 * DAY), 5),
  advance(30 * DAY - 945, active(NOW + 30 * DAY)),
  advance(1, expired(NOW + 30 * DAY)))

scenario('a license file with a byte order mark is imported', 'Editors on Windows add one. It is not stored.', {},
  open(unactivated, null),
  call('import_license_file', { file: `\ufeff${FILE}` }, { state: active(NOW + 30 * DAY), next: 945, changes: [active(NOW + 30 * DAY)], storage: { 'token.json': { token: lasting(), license_file: FILE } } }),
  call('import_license_file', { file: `\ufeff${FILE}` }, { state: active(NOW + 30 * DAY), changes: [] }),
  call('restart', {}),
  open(active(NOW + 30 * DAY), 945))

scenario('the same license file again changes nothing', 'It does not reset the clock.', {},
  open(unactivated, null),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY), next: 945 }),
  setClock(-50000, active(NOW + 30 * DAY)),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY) }),
  setClock(-40000, tampered),
  call('import_license_file', { file: FILE }, { state: tampered }))

scenario('a newer license file resets the clock', 'The machine has no other reference.', {},
  open(unactivated, null),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY), next: 945 }),
  setClock(-2 * DAY, tampered),
  call('import_license_file', { file: fileOf(lasting(NOW + 60)) }, { state: active(NOW + 60 + 30 * DAY), storage: { 'clock.json': { last_seen: NOW + 60, behind: 2 * DAY + 60, set_back: 0, reference: NOW + 60 } } }))

scenario('an older license file is refused', 'The newer one stays.', {},
  open(unactivated, null),
  call('import_license_file', { file: fileOf(lasting(NOW)) }, { state: active(NOW + 30 * DAY), next: 945 }),
  call('import_license_file', { file: fileOf(lasting(NOW - DAY)) }, { error: 'license_file_invalid', message: ['the license file was not imported: it is older than the present token'], state: active(NOW + 30 * DAY) }))

const notAFile = 'it is not a license file'
const notSigned = 'its key set is not signed by a root key of the configuration'
const badToken = 'its token is not valid'
for (const [what, text, reason] of [
  ['that is no JSON', 'signet-license', notAFile], ['that is cut off', FILE.slice(0, 400), notAFile], ['that is a list', '[]', notAFile],
  ['with another format', fileOf(lasting(), { format: 'signet-license/2' }), notAFile], ['without a token', fileOf(undefined), notAFile], ['without a key set', fileOf(lasting(), { signed_jwks: 7 }), notAFile],
  ['without a product', fileOf(lasting(), { product: undefined }), notAFile],
  ['whose key set another key signed', fileOf(lasting(), { set: keySet({ root: 'foreign' }) }), notSigned], ['whose key set is no JWT', fileOf(lasting(), { set: 'x' }), notSigned],
  ['of another installation', fileOf(lasting(NOW, { claims: { iss: 'https://other.example.com' } }), { issuer: 'https://other.example.com', set: keySet({ root: 'foreign', claims: { iss: 'https://other.example.com', sub: 'https://other.example.com' } }) }), notSigned],
  ['of another issuer', fileOf(lasting(), { issuer: 'https://other.example.com' }), badToken],
  ['whose key set is of another issuer', fileOf(lasting(), { set: keySet({ claims: { iss: 'https://other.example.com' } }) }), badToken],
  ['whose token is of another issuer', fileOf(lasting(NOW, { claims: { iss: 'https://other.example.com' } })), badToken],
  ['whose token another key signed', fileOf(lasting(NOW, { key: 'foreign' })), badToken],
  ['whose token is encrypted', fileOf('eyJhbGciOiJSU0EtT0FFUC0yNTYifQ.a.b.c.d'), badToken],
  ['whose key set is too old', fileOf(lasting(), { set: keySet({ iat: NOW - 401 * DAY }) }), badToken],
  ['for another machine', fileOf(lasting(NOW, { machine: 'machine-2' })), 'it is for another machine'],
  ['for a process', fileOf(lasting(NOW, { instance: 'worker-1' })), 'it is for another machine'],
  ['for another machine and product', fileOf(lasting(NOW, { machine: 'machine-2', claims: { aud: 'borealis' } }), { product: 'borealis' }), 'it is for the product "borealis"'],
  ['of another product', fileOf(lasting(NOW, { claims: { aud: 'borealis' } }), { product: 'borealis' }), 'it is for the product "borealis"'],
  ['that names another product', fileOf(lasting(), { product: 'borealis' }), 'it is for the product "borealis"'],
  ['that has ended', fileOf(token({ iat: NOW - 3 * DAY, exp: NOW - 1, until: NOW - 1 })), 'it ended at 2026-01-15T11:59:59Z']
]) {
  scenario(`a license file ${what} is refused`, 'Nothing changes. The message says why.', {},
    open(unactivated, null),
    call('import_license_file', { file: text }, { error: 'license_file_invalid', message: [`the license file was not imported: ${reason}`], state: unactivated, next: null, storage: { 'token.json': null } }))
}

const aged = (iat) => fileOf(lasting(), { set: keySet({ iat }) })
for (const [what, storage, start] of [
  ['of the client', { 'clock.json': json(CLOCK) }, NOW - 10 * DAY],
  ['of the wall clock', { 'clock.json': json({ ...CLOCK, behind: -10 * DAY }) }, NOW + 10 * DAY]
]) {
  scenario(`the later time is that ${what}: a license file whose key set is too old is refused`, 'A clock that was set back does not make it younger.', { storage, start },
    open(unactivated, null),
    call('import_license_file', { file: aged(Math.max(NOW, start) - 400 * DAY - 1) }, { error: 'license_file_invalid', message: [`the license file was not imported: ${badToken}`], state: unactivated, next: null, storage: { 'token.json': null } }))
}

const storedFile = (iat) => ({ 'token.json': json({ token: lasting(), next_heartbeat_at: NOW + 900, in_grace: false, grace_ends_at: null, license_file: aged(iat) }), 'clock.json': json(CLOCK) })
scenario('the key set of a license file is 400 days old', 'The age is compared at the import and at each start.', {},
  open(unactivated, null),
  call('import_license_file', { file: aged(NOW - 400 * DAY) }, { state: active(NOW + 30 * DAY), next: 945 }),
  call('restart', {}),
  open(active(NOW + 30 * DAY), 945),
  call('restart', {}),
  advance(1),
  open(unactivated, null))

scenario('the key set of a stored license file is too old by the time of the client', 'The wall clock was set back.', { storage: storedFile(NOW - 400 * DAY - 1), start: NOW - DAY },
  open(unactivated, null))

scenario('the key set of a stored license file is too old by the wall clock', 'The wall clock is known to be ahead.', { storage: { ...storedFile(NOW - 400 * DAY + HOUR), 'clock.json': json({ ...CLOCK, behind: -DAY }) }, start: NOW + DAY },
  open(unactivated, null))

scenario('the key set of a license file verifies no other token', 'A file can contain a key that was condemned since.', {
  storage: { 'token.json': json({ token: T_PREVIOUS, next_heartbeat_at: NOW + 900, in_grace: false, grace_ends_at: null, license_file: fileOf(lasting(NOW, { key: 'previous' }), { set: keySet({ of: ['previous'] }) }) }), 'keys.jwt': SET } },
  open(unactivated, 2.5))

scenario('a license file does not undo a refusal', 'Only a file that was made later does.', { storage: stored({ token: null, refusal: { code: 'revoked', at: NOW + 100 } }), start: NOW + 200 },
  open(refused('revoked'), null),
  call('import_license_file', { file: FILE }, { error: 'revoked', state: refused('revoked') }),
  call('import_license_file', { file: fileOf(lasting(NOW + 150)) }, { state: active(NOW + 150 + 30 * DAY), storage: { 'refusal.json': null } }))

scenario('a license file is replaced by a token of the API', 'The machine has network after all.', {},
  open(unactivated, null),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY), next: 945 }),
  advance(945),
  run([ok(token({ iat: NOW + 945 }), { now: NOW + 945 }), keysResponse()], [heartbeat(lasting()), fetchKeys], active(NOW + 945 + HOUR), 945, { storage: { 'token.json': { license_file: null }, 'keys.jwt': SET } }))

scenario('the request text of a machine', 'The customer turns it into a license file.', { options: { machine_name: 'Press 3' } },
  open(unactivated, null),
  call('offline_request', {}, { result: { product: PRODUCT, machine_id: 'machine-1', machine_name: 'Press 3' } }))

scenario('the request text of a machine without a name', 'The name is optional.', {},
  open(unactivated, null),
  call('offline_request', {}, { result: { product: PRODUCT, machine_id: 'machine-1' } }))

scenario('the request text of an ephemeral machine is an error', 'A license file would end with the process.', { options: { ephemeral: true } },
  open(unactivated, null),
  call('offline_request', {}, { error: 'ephemeral_machine_id', message: ['the request was not created: ', 'machine id'], state: unactivated, next: null }))

scenario('a borrow of an ephemeral machine is an error without a request', 'The seat would be borrowed for a machine that does not come back. Nothing else is checked before.', { options: { ephemeral: true } },
  open(unactivated, null),
  call('borrow', { until: NOW - 60 }, { error: 'ephemeral_machine_id', message: ['the seat was not borrowed: ', 'machine id'], state: unactivated, next: null }),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()], requests: [activation(), fetchKeys], state: active(), next: 945 }),
  call('borrow', { until: NOW + 5 * DAY }, { error: 'ephemeral_machine_id', message: ['the seat was not borrowed: ', 'machine id'], state: active(), next: 945, changes: [] }))

const BORROWED = token({ iat: NOW + 10, exp: NOW + 5 * DAY, until: NOW + 5 * DAY })
scenario('a seat is borrowed', 'All tokens are valid until then.', { storage: stored() },
  open(active(), 900),
  advance(10),
  call('borrow', { until: NOW + 5 * DAY }, { responses: [ok(BORROWED, { now: NOW + 10 })], requests: [heartbeat(T0, { borrow_until: '2026-01-20T12:00:00Z' })], state: active(NOW + 5 * DAY), next: 945 }),
  advance(5 * DAY - 10, active(NOW + 5 * DAY)),
  advance(1, expired(NOW + 5 * DAY)))

scenario('a borrow that is not allowed changes nothing', 'The tier does not allow it.', { storage: stored() },
  open(active(), 900),
  call('borrow', { until: NOW + 50 * DAY }, { responses: [problem(403, 'borrow_not_allowed')], requests: [heartbeat(T0, { borrow_until: '2026-03-06T12:00:00Z' })], error: 'borrow_not_allowed', message: ['the seat was not borrowed: detail of borrow_not_allowed'], state: active(), next: 900 }))

scenario('a borrow without network is an error', 'The app tells its user before the journey.', { storage: stored() },
  open(active(), 900),
  call('borrow', { until: NOW + 5 * DAY }, { responses: [fault('dns')], requests: [heartbeat(T0, { borrow_until: '2026-01-20T12:00:00Z' })], error: 'unreachable', message: ['fault: dns'], state: active(), next: 900 }))

scenario('a borrow of a license that was revoked stops the app', 'It is an answer about the license.', { storage: stored() },
  open(active(), 900),
  call('borrow', { until: NOW + 5 * DAY }, { responses: [problem(403, 'revoked')], requests: [heartbeat(T0, { borrow_until: '2026-01-20T12:00:00Z' })], error: 'revoked', message: ['detail of revoked'], state: refused('revoked'), next: null }))

scenario('a borrow of a machine that lost its seat activates first', 'The borrow is sent once more.', { storage: stored() },
  open(active(), 900),
  advance(10),
  call('borrow', { until: NOW + 5 * DAY }, { responses: [problem(403, 'not_activated'), ok(token({ iat: NOW + 9 }), { now: NOW + 10, status: 201 }), ok(BORROWED, { now: NOW + 10 })],
    requests: [heartbeat(T0, { borrow_until: '2026-01-20T12:00:00Z' }), activation(), heartbeat(token({ iat: NOW + 9 }), { borrow_until: '2026-01-20T12:00:00Z' })], state: active(NOW + 5 * DAY), next: 945 }))

scenario('a borrow of a machine that lost its seat, with a license key of another product', 'The seat of the other product is freed.', { storage: stored() },
  open(active(), 900),
  call('borrow', { until: NOW + 5 * DAY }, { responses: [problem(403, 'not_activated'), wrong(), done], requests: [heartbeat(T0, { borrow_until: '2026-01-20T12:00:00Z' }), activation(), deactivation(WRONG)],
    error: 'wrong_product', message: [`the seat was not borrowed: ${wrongProduct}`], state: refused('wrong_product'), next: null }))

scenario('a borrow of a refused license is an error without a request', 'There is no seat to borrow.', { storage: stored({ token: null, refusal: { code: 'revoked' } }) },
  open(refused('revoked'), null),
  call('borrow', { until: NOW + 5 * DAY }, { error: 'revoked', state: refused('revoked'), next: null }))

scenario('a borrow without a token is an error', 'There is no seat to borrow.', {},
  open(unactivated, null),
  call('borrow', { until: NOW + 5 * DAY }, { error: 'not_activated', state: unactivated, next: null }))

scenario('a borrow until a time that has passed is an error without a request', 'The time of the client decides: the wall clock is behind.', { storage: stored() },
  open(active(), 900),
  setClock(-HOUR),
  call('borrow', { until: NOW - 60 }, { error: 'invalid_value', state: active(), next: 900 }),
  call('borrow', { until: NOW }, { error: 'invalid_value', state: active(), next: 900 }),
  advance(10),
  call('borrow', { until: NOW + 5 * DAY }, { responses: [ok(BORROWED, { now: NOW + 10 })], requests: [heartbeat(T0, { borrow_until: '2026-01-20T12:00:00Z' })], state: active(NOW + 5 * DAY), next: 945 }))

scenario('a borrow until a time that has passed is an error in every state', 'The argument is checked first.', {},
  open(unactivated, null),
  call('borrow', { until: NOW }, { error: 'invalid_value', state: unactivated, next: null }))

// ---------------------------------------------------------------------------------------------------------------------
file('deactivation')

scenario('deactivate removes everything but the keys and the clock', 'The software is uninstalled or moved.', { storage: stored() },
  open(active(), 900),
  call('deactivate', {}, { responses: [done], requests: [deactivation()], state: unactivated, next: null, changes: [unactivated], storage: { 'token.json': null, 'license-key': null, 'refusal.json': null, 'keys.jwt': SET } }))

scenario('deactivate of an activation that is gone succeeds', 'An operator was faster.', { storage: stored() },
  open(active(), 900),
  call('deactivate', {}, { responses: [problem(404, 'not_found')], requests: [deactivation()], state: unactivated, next: null }))

scenario('deactivate without network changes nothing', 'The user can try again.', { storage: stored() },
  open(active(), 900),
  call('deactivate', {}, { responses: [fault('connection')], requests: [deactivation()], error: 'unreachable', message: ['fault: connection'], state: active(), storage: { 'token.json': { token: T0 }, 'license-key': KEY } }))

scenario('a page is no answer to a deactivation', 'It comes from a captive portal. The seat is still taken.', { storage: stored() },
  open(active(), 900),
  call('deactivate', {}, { responses: [page(200)], requests: [deactivation()], error: 'unreachable', message: ['invalid_response'], state: active(), storage: { 'token.json': { token: T0 } } }))

for (const [code, status] of [['offline_activation', 403], ['borrow_return_limit', 409]]) {
  scenario(`deactivate is refused with ${code}`, 'The seat stays with the machine.', { storage: stored() },
    open(active(), 900),
    call('deactivate', {}, { responses: [problem(status, code)], requests: [deactivation()], error: code, message: [`the seat was not freed: detail of ${code}`], state: active(), storage: { 'token.json': { token: T0 } } }))
}

const nothingStored = { 'token.json': null, 'license-key': null, 'refusal.json': null }

scenario('deactivate without a token activates first', 'The token was removed with the refusal. The seat may still be taken.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
  open(refused('suspended'), 2.5),
  call('deactivate', {}, { responses: [ok(T0), done], requests: [activation(), deactivation()], state: unactivated, next: null, changes: [unactivated], storage: { ...nothingStored, 'keys.jwt': SET } }))

scenario('deactivate of a machine that lost its token activates first', 'The license key is stored.', { storage: stored({ token: null }), options: { machine_name: 'Build 7', os: 'linux x86_64' } },
  open(waiting(), 2.5),
  call('deactivate', {}, { responses: [ok(T0), problem(404, 'not_found')], requests: [activation(KEY, { machine_name: 'Build 7', os: 'linux x86_64' }), deactivation()], state: unactivated, next: null, changes: [unactivated], storage: nothingStored }))

for (const [code, status] of [['suspended', 403], ['revoked', 403], ['not_found', 404], ['seat_limit_reached', 409]]) {
  scenario(`deactivate without a token of a license that is refused with ${code} removes everything`, 'This machine has no seat that it could free.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
    open(refused('suspended'), 2.5),
    call('deactivate', {}, { responses: [problem(status, code)], requests: [activation()], state: unactivated, next: null, changes: [unactivated], storage: nothingStored }))
}

for (const [what, response, error, message] of [
  ['without network', fault('connection'), 'unreachable', 'fault: connection'], ['during an outage of the API', problem(503, 'unavailable'), 'unreachable', 'http_503'],
  ['that is limited', problem(429, 'rate_limited'), 'rate_limited', 'detail of rate_limited'], ['with a token that is not accepted', ok(token({ machine: 'machine-2' })), 'unreachable', 'invalid_response']
]) {
  scenario(`deactivate without a token ${what} changes nothing`, 'The user can try again.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
    open(refused('suspended'), 2.5),
    call('deactivate', {}, { responses: [response], requests: [activation()], error, message: [`the seat was not freed: ${message}`], state: refused('suspended'), next: 2.5, changes: [],
      storage: { 'token.json': null, 'license-key': KEY, 'refusal.json': { id: 'stored', code: 'suspended' } } }))
}

for (const [what, response, error, message] of [['without network', fault('timeout'), 'unreachable', 'fault: timeout'], ['with borrow_return_limit', problem(409, 'borrow_return_limit'), 'borrow_return_limit', 'detail of borrow_return_limit']]) {
  scenario(`deactivate that fails ${what} after an activation keeps its token`, 'The machine has the seat.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
    open(refused('suspended'), 2.5),
    call('deactivate', {}, { responses: [ok(T0), response], requests: [activation(), deactivation()], error, message: [`the seat was not freed: ${message}`], state: active(), next: 945, changes: [active()],
      storage: { 'token.json': { token: T0 }, 'license-key': KEY, 'refusal.json': null } }))
}

scenario('deactivate without a token, with a license key of another product, removes everything', 'It frees the seat that the activation took, or its lease ends.', { storage: stored({ token: null, refusal: { code: 'wrong_product' } }) },
  open(refused('wrong_product'), null),
  call('deactivate', {}, { responses: [wrong(), fault('timeout')], requests: [activation(), deactivation(WRONG)], state: unactivated, next: null, changes: [unactivated], storage: nothingStored }))

scenario('deactivate without a token, with a license key of another product, keeps a seat that it did not take', 'It is that of another app.', { storage: stored({ token: null, refusal: { code: 'wrong_product' } }) },
  open(refused('wrong_product'), null),
  call('deactivate', {}, { responses: [ok(WRONG)], requests: [activation()], state: unactivated, next: null, changes: [unactivated], storage: nothingStored }))

scenario('deactivate without a token and a license key removes the refusal', 'There is nothing to free.', { storage: stored({ token: null, key: null, refusal: { code: 'revoked' } }) },
  open(refused('revoked'), null),
  call('deactivate', {}, { state: unactivated, next: null, changes: [unactivated], storage: nothingStored }))

scenario('release keeps the license key', 'A clean exit frees the seat at once.', { storage: stored() },
  open(active(), 900),
  call('release', {}, { responses: [done], requests: [deactivation()], state: waiting(), next: null, changes: [waiting()], storage: { 'token.json': null, 'license-key': KEY } }),
  advance(DAY),
  run([], [], waiting(), null),
  call('restart', {}),
  open(waiting(), 2.5))

scenario('an activate after release that changes nothing does not take the seat again', 'The user mistypes a license key.', { storage: stored() },
  open(active(), 900),
  call('release', {}, { responses: [done], requests: [deactivation()], state: waiting(), next: null }),
  call('activate', { license_key: OTHER_KEY }, { responses: [problem(404, 'not_found')], requests: [activation(OTHER_KEY)], error: 'not_found', state: waiting(), next: null, storage: { 'license-key': KEY } }),
  call('activate', { license_key: OTHER_KEY }, { responses: [fault('dns')], requests: [activation(OTHER_KEY)], error: 'unreachable', state: waiting(), next: null, storage: { 'license-key': KEY } }),
  advance(DAY),
  run([], [], waiting(), null))

scenario('an activate after release that stores the license key is completed later', 'The app goes on after all.', { storage: stored() },
  open(active(), 900),
  call('release', {}, { responses: [done], requests: [deactivation()], state: waiting(), next: null }),
  call('activate', { license_key: KEY }, { responses: [fault('dns')], requests: [activation()], error: 'unreachable', state: waiting('network'), next: 5, storage: { 'license-key': KEY } }),
  advance(5),
  run([ok(token({ iat: NOW + 5 }), { now: NOW + 5 })], [activation()], active(NOW + 5 + HOUR), 945))

scenario('release after a refusal ends its retries', 'The retry would take the seat.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
  open(refused('suspended'), 2.5),
  call('release', {}, { state: refused('suspended'), next: null, changes: [], storage: { 'license-key': KEY, 'refusal.json': { code: 'suspended' } } }),
  advance(DAY),
  run([], [], refused('suspended'), null))

scenario('the token of another process ends a release', 'The processes share the seat.', { storage: stored() },
  open(active(), 900), { ...open(active(), 900), client: 'b' },
  call('release', {}, { responses: [done], requests: [deactivation()], state: waiting(), next: null }),
  advance(10),
  run([], [], waiting(), null),
  { ...run([ok(token({ iat: NOW + 10 }), { now: NOW + 10 })], [activation()], active(NOW + 10 + HOUR), 945), client: 'b' },
  run([], [], active(NOW + 10 + HOUR), 945, { changes: [active(NOW + 10 + HOUR)] }),
  advance(945),
  run([problem(403, 'suspended')], [heartbeat(token({ iat: NOW + 10 }))], refused('suspended'), HOUR + 30))

scenario('a license file ends a release', 'The machine has a seat again.', { storage: stored() },
  open(active(), 900),
  call('release', {}, { responses: [done], requests: [deactivation()], state: waiting(), next: null }),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY), next: 945 }),
  advance(945),
  run([problem(403, 'suspended')], [heartbeat(lasting())], refused('suspended'), HOUR + 30))

scenario('release without a stored license key', 'The app asks for the license key.', { storage: stored({ key: null }), options: { keep_license_key: false } },
  open(active(), 900),
  call('release', {}, { responses: [done], requests: [deactivation()], state: unactivated, next: null, changes: [unactivated], storage: { 'token.json': null } }))

scenario('release keeps the token of a license file', 'The app cannot free its seat, and the machine has no network to get another token.', {},
  open(unactivated, null),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY), next: 945 }),
  call('release', {}, { state: active(NOW + 30 * DAY), next: 945, changes: [], storage: { 'token.json': { token: lasting(), license_file: FILE } } }))

scenario('close keeps the token of a license file', 'The machine id is ephemeral, and the file is valid until the process ends.', { options: { ephemeral: true } },
  open(unactivated, null),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY), next: 945 }),
  call('close', {}, { changes: [] }))

scenario('release without network removes the token', 'The lease ends by itself.', { storage: stored() },
  open(active(), 900),
  call('release', {}, { responses: [fault('timeout')], requests: [deactivation()], state: waiting(), storage: { 'token.json': null, 'license-key': KEY } }))

scenario('release of a borrowed seat that cannot be returned keeps the token', 'It is valid, and the seat is not free.', { storage: stored() },
  open(active(), 900),
  call('release', {}, { responses: [problem(409, 'borrow_return_limit')], requests: [deactivation()], state: active() }))

scenario('close keeps the seat of a machine', 'The next start needs no network.', { storage: stored() },
  open(active(), 900), call('close', {}, { changes: [] }), call('restart', {}), open(active(), 900))

scenario('the refusal of an ephemeral machine is its own', 'Another container that shares the folder may get a seat.', { options: { ephemeral: true } },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(409, 'seat_limit_reached')], requests: [activation()], error: 'seat_limit_reached', state: refused('seat_limit_reached'), storage: { 'refusal.json': null, 'license-key': KEY } }))

scenario('close frees the seat of an ephemeral machine', 'A container is not started again.', { options: { ephemeral: true } },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()], requests: [activation(), fetchKeys], state: active(), next: 945, storage: { 'token.json': null, 'license-key': KEY } }),
  call('close', {}, { responses: [done], requests: [deactivation()], changes: [] }))

// ---------------------------------------------------------------------------------------------------------------------
file('refresh')

scenario('refresh sends a heartbeat that is not due', 'A program that ends within seconds asks the API.', { storage: stored() },
  open(active(), 900),
  advance(10),
  call('refresh', {}, { responses: [ok(token({ iat: NOW + 10 }), { now: NOW + 10 })], requests: [heartbeat()], state: active(NOW + 10 + HOUR), next: 945 }),
  advance(10),
  call('refresh', {}, { responses: [problem(403, 'suspended')], requests: [heartbeat(token({ iat: NOW + 10 }))], state: refused('suspended'), next: HOUR + 30, changes: [refused('suspended')] }))

for (const code of ['suspended', 'revoked', 'generation_outdated']) {
  scenario(`refresh activates after the refusal ${code}`, 'The user has paid, and presses a button.', { storage: stored({ token: null, refusal: { code } }) },
    open(refused(code), code === 'suspended' ? 2.5 : null),
    call('refresh', {}, { responses: [problem(403, code)], requests: [activation()], state: refused(code) }),
    call('refresh', {}, { responses: [fault('connection')], requests: [activation()], state: refused(code) }),
    call('refresh', {}, { responses: [ok(token({ iat: NOW + 5 }), { now: NOW + 5 })], requests: [activation()], state: active(NOW + 5 + HOUR), next: 945, changes: [active(NOW + 5 + HOUR)], storage: { 'refusal.json': null } }))
}

scenario('refresh activates with the stored license key', 'A container has started.', { storage: stored({ token: null }) },
  open(waiting(), 2.5),
  call('refresh', {}, { responses: [ok(token({ iat: NOW + 5 }), { now: NOW + 5 })], requests: [activation()], state: active(NOW + 5 + HOUR), next: 945 }))

scenario('refresh without network says so in the state', 'It is no error.', { storage: stored(), start: NOW + 2 * HOUR },
  open(offline(), 2.5),
  call('refresh', {}, { responses: [fault('dns')], requests: [heartbeat()], state: offline('network'), changes: [offline('network')] }))

scenario('refresh without a token and a license key makes no request', 'There is nothing to ask.', {},
  open(unactivated, null),
  call('refresh', {}, { state: unactivated, next: null }))

scenario('refresh after release takes the seat again', 'The app goes on after all.', { storage: stored() },
  open(active(), 900),
  call('release', {}, { responses: [done], requests: [deactivation()], state: waiting(), next: null }),
  call('refresh', {}, { responses: [ok(token({ iat: NOW + 5 }), { now: NOW + 5 })], requests: [activation()], state: active(NOW + 5 + HOUR), next: 945 }))

scenario('refresh after release without an answer does not end the release', 'Only a token does.', { storage: stored() },
  open(active(), 900),
  call('release', {}, { responses: [done], requests: [deactivation()], state: waiting(), next: null }),
  call('refresh', {}, { responses: [fault('dns')], requests: [activation()], state: waiting('network'), next: null }),
  call('refresh', {}, { responses: [problem(403, 'suspended')], requests: [activation()], state: refused('suspended'), next: null }),
  advance(DAY),
  run([], [], refused('suspended'), null))

// ---------------------------------------------------------------------------------------------------------------------
file('processes')

const P = token({ instance: 'worker-1', exp: NOW + 300, until: NOW + 300, interval: 60 })
const withInstance = { options: { instance_id: 'worker-1' } }

scenario('a process activates, sends heartbeats, and frees its seat', 'Its token is not stored; its license key is.', withInstance,
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(P, { next: NOW + 60 }), keysResponse()], requests: [activation(KEY, { instance_id: 'worker-1' }), fetchKeys], state: active(NOW + 300), next: 63, storage: { 'token.json': null, 'license-key': KEY, 'keys.jwt': SET } }),
  advance(63),
  run([ok(P, { next: NOW + 123 })], [heartbeat(P, { instance_id: 'worker-1' })], active(NOW + 300), 63),
  call('close', {}, { responses: [done], requests: [deactivation(P)], changes: [] }))

scenario('a process that starts with a stored license key activates', 'It needs no user.', { ...withInstance, storage: { 'license-key': KEY, 'keys.jwt': SET } },
  open(waiting(), 2.5),
  advance(3),
  run([ok(P, { now: NOW + 3, next: NOW + 63 })], [activation(KEY, { instance_id: 'worker-1' })], active(NOW + 300), 63, { changes: [active(NOW + 300)] }))

scenario('a process is refused while all seats are taken', 'It waits for the first lease that ends. The refusal is its own.', withInstance,
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [problem(409, 'seat_limit_reached', { retry_at: time(NOW + 300) })], requests: [activation(KEY, { instance_id: 'worker-1' })], error: 'seat_limit_reached', state: refused('seat_limit_reached', NOW + 300), next: 330, storage: { 'refusal.json': null } }))

scenario('the token of another process is not used', 'Tokens of processes are for one process.', withInstance,
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(token({ instance: 'worker-2' })), keysResponse()], requests: [activation(KEY, { instance_id: 'worker-1' }), fetchKeys], error: 'unreachable', state: waiting('invalid_response') }))

scenario('a process that cannot reach the API stops when its token ends', 'Floating licenses have no offline grace.', { ...withInstance, storage: { 'license-key': KEY, 'keys.jwt': SET } },
  open(waiting(), 2.5),
  call('activate', { license_key: KEY }, { responses: [ok(P, { next: NOW + 60 })], requests: [activation(KEY, { instance_id: 'worker-1' })], state: active(NOW + 300), next: 63 }),
  advance(63),
  run([fault('connection')], [heartbeat(P, { instance_id: 'worker-1' })], active(NOW + 300), 5),
  advance(237, active(NOW + 300)),
  advance(1, expired(NOW + 300)))

// ---------------------------------------------------------------------------------------------------------------------
file('storage')

for (const [what, name, content, state, next] of [
  ['token file is empty', 'token.json', '', waiting(), 2.5], ['token file is cut off', 'token.json', '{"token": "eyJ', waiting(), 2.5],
  ['token file has another format', 'token.json', '[1]', waiting(), 2.5], ['token was changed', 'token.json', json({ token: T0.replace('.', '.e'), next_heartbeat_at: NOW + 900 }), waiting(), 2.5],
  ['token is of another machine', 'token.json', json({ token: token({ machine: 'machine-2' }), next_heartbeat_at: NOW + 900, in_grace: false, grace_ends_at: null, license_file: null }), waiting(), 2.5],
  ['key set is damaged', 'keys.jwt', 'x.y.z', waiting(), 2.5],
  ['key set is of another root key', 'keys.jwt', keySet({ root: 'foreign' }), waiting(), 2.5],
  ['refusal is damaged', 'refusal.json', '{"code"', active(), 900], ['clock is damaged', 'clock.json', '{}', active(), 900], ['license key is empty', 'license-key', '\n', active(), 900]
]) {
  scenario(`the stored ${what}`, 'A damaged file counts as absent.', { storage: { ...stored(), [name]: content } }, open(state, next))
}

scenario('a machine activates again when its token was lost', 'The license key is stored.', { storage: stored({ token: null }) },
  open(waiting(), 2.5), advance(3),
  run([ok(token({ iat: NOW + 3 }), { now: NOW + 3 })], [activation()], active(NOW + 3 + HOUR), 945, { changes: [active(NOW + 3 + HOUR)] }))

scenario('an app that cannot write to its storage goes on', 'The disk is full or read-only.', { options: { read_only: true } },
  open(unactivated, null),
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()], requests: [activation(), fetchKeys], state: active(), next: 945, storage: { 'token.json': null } }),
  call('diagnose', {}, { contains: [', not writable: '] }),
  advance(945),
  run([ok(token({ iat: NOW + 945 }), { now: NOW + 945 })], [heartbeat()], active(NOW + 945 + HOUR), 945),
  advance(945),
  run([problem(403, 'revoked')], [heartbeat(token({ iat: NOW + 945 }))], refused('revoked'), null))

scenario('two processes share a storage, and one heartbeat serves both', 'The second one sees that it is not due.', { storage: stored() },
  open(active(), 900), { ...open(active(), 900), client: 'b' },
  advance(900),
  run([ok(token({ iat: NOW + 900 }), { now: NOW + 900 })], [heartbeat()], active(NOW + 900 + HOUR), 945),
  { ...run([], [], active(NOW + 900 + HOUR), 945), client: 'b' })

scenario('a refusal of one process stops the other', 'It reads the storage at its next run.', { storage: stored() },
  open(active(), 900), { ...open(active(), 900), client: 'b' },
  advance(900),
  run([problem(403, 'revoked')], [heartbeat()], refused('revoked'), null),
  { ...run([], [], refused('revoked'), null, { changes: [refused('revoked')] }), client: 'b' })

scenario('a refusal of one process that is tried again is not asked about by the other', 'It was stored after the other has started.', { storage: stored() },
  open(active(), 900), { ...open(active(), 900), client: 'b' },
  advance(900),
  run([problem(403, 'suspended')], [heartbeat()], refused('suspended'), HOUR + 30),
  { ...run([], [], refused('suspended'), HOUR + 30, { changes: [refused('suspended')] }), client: 'b' })

const unchanged = { 'refusal.json': { code: 'revoked', id: 'other' }, 'token.json': null, 'clock.json': { set_back: 0, reference: NOW } }
scenario('an old success does not undo the refusal of another process', 'The refusal came while the response was on its way. Nothing of the response is stored.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([raced(ok(token({ iat: NOW + 900 }), { now: NOW + 900 }))], [heartbeat()], refused('revoked'), null, { changes: [refused('revoked')], storage: { ...unchanged, 'license-key': KEY } }))

scenario('activate during the refusal of another process is an error', 'The error has the code of the refusal, and the license key is not stored.', { storage: stored({ token: null, key: null }) },
  open(unactivated, null),
  advance(10),
  call('activate', { license_key: KEY }, { responses: [raced(ok(token({ iat: NOW + 10 }), { now: NOW + 10, status: 201 }))], requests: [activation()], error: 'revoked', message: ['the license key was not activated: '], state: refused('revoked'), next: null, changes: [refused('revoked')],
    storage: { ...unchanged, 'license-key': null } }))

scenario('activate with another license key during the refusal of another process', 'The stored license key stays.', { storage: stored({ token: null, refusal: { code: 'expired' } }) },
  open(refused('expired'), 2.5),
  advance(10),
  call('activate', { license_key: OTHER_KEY }, { responses: [raced(ok(token({ iat: NOW + 10 }), { now: NOW + 10, status: 201 }))], requests: [activation(OTHER_KEY)], error: 'revoked', state: refused('revoked'), next: null, storage: { ...unchanged, 'license-key': KEY } }))

scenario('refresh during the refusal of another process', 'The state says what is stored.', { storage: stored() },
  open(active(), 900),
  advance(10),
  call('refresh', {}, { responses: [raced(ok(token({ iat: NOW + 10 }), { now: NOW + 10 }))], requests: [heartbeat()], state: refused('revoked'), next: null, changes: [refused('revoked')], storage: unchanged }))

scenario('a borrow during the refusal of another process is an error', 'The error has the code of the refusal.', { storage: stored() },
  open(active(), 900),
  advance(10),
  call('borrow', { until: NOW + 5 * DAY }, { responses: [raced(ok(BORROWED, { now: NOW + 10 }))], requests: [heartbeat(T0, { borrow_until: '2026-01-20T12:00:00Z' })], error: 'revoked', message: ['the seat was not borrowed: '], state: refused('revoked'), next: null, storage: unchanged }))

scenario('deactivate without a token during the refusal of another process removes nothing', 'The user can try again.', { storage: stored({ token: null, refusal: { code: 'suspended' } }) },
  open(refused('suspended'), 2.5),
  advance(10),
  call('deactivate', {}, { responses: [raced(ok(token({ iat: NOW + 10 }), { now: NOW + 10 }))], requests: [activation()], error: 'revoked', message: ['the seat was not freed: '], state: refused('revoked'), next: null, storage: { ...unchanged, 'license-key': KEY } }))

scenario('the activation of one process serves the other', 'It reads the storage at its next run.', {},
  open(unactivated, null), { ...open(unactivated, null), client: 'b' },
  call('activate', { license_key: KEY }, { responses: [ok(T0), keysResponse()], requests: [activation(), fetchKeys], state: active(), next: 945 }),
  { ...run([], [], active(), 945, { changes: [active()] }), client: 'b' })

scenario('a deactivation of one process stops the other', 'The license key is gone, too.', { storage: stored() },
  open(active(), 900), { ...open(active(), 900), client: 'b' },
  call('deactivate', {}, { responses: [done], requests: [deactivation()], state: unactivated, next: null }),
  { ...run([], [], unactivated, null, { changes: [unactivated] }), client: 'b' })

// The lines of `diagnose` that are the same in each language.
const lines = (state, more = {}) => Object.entries({
  product: PRODUCT, issuer: ISSUER, 'api url': ISSUER, 'machine id': 'machine-1', state, license: 'lic_01KF0RDQG0P2TC47RJJZBDNR0B, tier pro',
  token: 'issued 2026-01-15T12:00:00Z, exp 2026-01-15T13:00:00Z, offline until 2026-01-18T13:00:00Z', 'license key': 'stored', 'next request': '2026-01-15T12:15:00Z',
  'last contact': 'none since the start', 'last failure': 'none since the start', 'key set': 'issued 2026-01-15T11:00:00Z, 0 days old',
  clock: '2026-01-15T12:00:00Z, behind 0 s, set back 0 s, reference 2026-01-15T12:00:00Z', ...more
}).map(([name, value]) => `${name}: ${value}`)
const secrets = [KEY, T0, T0.split('.')[2].slice(0, 20)]

scenario('the text for support has no secrets', 'It can be sent by e-mail.', { storage: stored({ in_grace: true, grace_ends_at: NOW + 5 * DAY }) },
  open(active(NOW + HOUR, true, NOW + 5 * DAY), 900),
  call('diagnose', {}, { contains: ['client: ', 'storage: ', ...lines('Active until 2026-01-15T13:00:00Z, in grace until 2026-01-20T12:00:00Z')], excludes: [...secrets, 'instance id'] }))

scenario('the text for support of a machine without a license', 'There is nothing to show.', {},
  open(unactivated, null),
  call('diagnose', {}, { contains: lines('Unactivated', { license: 'none', token: 'none', 'license key': 'not stored', 'next request': 'none', 'key set': 'none', clock: '2026-01-15T12:00:00Z, behind 0 s, set back 0 s, reference none' }) }))

scenario('the text for support of a machine that lost its token', 'The license key is stored, but not shown.', { storage: stored({ token: null }), random: 0 },
  open(waiting(), 0),
  call('diagnose', {}, { contains: lines('Unactivated (a license key is stored; not_contacted)', { license: 'none', token: 'none', 'next request': '2026-01-15T12:00:00Z' }), excludes: secrets }))

scenario('the text for support of a token without a tier', 'Later versions of the API may leave it out.', { storage: stored({ token: token({ claims: { tier: undefined } }) }) },
  open(active(), 900),
  call('diagnose', {}, { contains: ['license: lic_01KF0RDQG0P2TC47RJJZBDNR0B, tier unknown\n'] }))

const dnsFailure = '2026-01-15T12:15:00Z, heartbeat: network: fault: dns'
scenario('the text for support of a machine without network', 'The last failure is the answer to most questions.', { storage: stored() },
  open(active(), 900),
  advance(900),
  run([fault('dns')], [heartbeat()], active(), 5),
  call('diagnose', {}, { contains: [...lines('Active until 2026-01-15T13:00:00Z', { 'next request': '2026-01-15T12:15:05Z', 'last failure': dnsFailure, clock: '2026-01-15T12:15:00Z, behind 0 s, set back 0 s, reference 2026-01-15T12:00:00Z' })], excludes: secrets }),
  advance(5),
  run([ok(token({ iat: NOW + 905 }), { now: NOW + 905 })], [heartbeat()], active(NOW + 905 + HOUR), 945),
  call('diagnose', {}, { contains: ['state: Active until 2026-01-15T13:15:05Z', 'token: issued 2026-01-15T12:15:05Z, exp 2026-01-15T13:15:05Z, offline until 2026-01-18T13:15:05Z', 'next request: 2026-01-15T12:30:50Z', 'last contact: 2026-01-15T12:15:05Z', `last failure: ${dnsFailure}`,
    'clock: 2026-01-15T12:15:05Z, behind 0 s, set back 0 s, reference 2026-01-15T12:15:05Z'] }))

scenario('the text for support of a machine that is offline', 'The reason is that of the state.', { storage: stored(), start: NOW + 2 * DAY, random: 0 },
  open(offline(), 0),
  run([fault('connection'), page(503)], [fetchKeys, heartbeat()], offline('http_503'), 1),
  call('diagnose', {}, { contains: lines('Offline until 2026-01-18T13:00:00Z (http_503)', { 'next request': '2026-01-17T12:00:01Z', 'last contact': '2026-01-17T12:00:00Z', 'last failure': '2026-01-17T12:00:00Z, heartbeat: http_503', 'key set': 'issued 2026-01-15T11:00:00Z, 2 days old',
    clock: '2026-01-17T12:00:00Z, behind 0 s, set back 0 s, reference 2026-01-15T12:00:00Z' }) }))

for (const [what, step, failure] of [
  ['a heartbeat that is refused', call('refresh', {}, { responses: [problem(403, 'revoked')], requests: [heartbeat()] }), 'heartbeat: revoked'],
  ['a heartbeat with a code that is unknown', call('refresh', {}, { responses: [problem(403, 'teapot')], requests: [heartbeat()] }), 'heartbeat: teapot'],
  ['a heartbeat with a page', call('refresh', {}, { responses: [page(403)], requests: [heartbeat()] }), 'heartbeat: http_403'],
  ['a heartbeat during an outage', call('refresh', {}, { responses: [problem(503, 'unavailable')], requests: [heartbeat()] }), 'heartbeat: http_503'],
  ['a heartbeat in a captive portal', call('refresh', {}, { responses: [page(200)], requests: [heartbeat()] }), 'heartbeat: invalid_response'],
  ['a seat that was lost and is taken again', call('refresh', {}, { responses: [problem(403, 'not_activated'), ok(T0)], requests: [heartbeat(), activation()] }), 'heartbeat: not_activated'],
  ['an activation after a lost seat', call('refresh', {}, { responses: [problem(403, 'not_activated'), fault('tls')], requests: [heartbeat(), activation()] }), 'activate: network: fault: tls'],
  ['another license key', call('activate', { license_key: OTHER_KEY }, { responses: [problem(404, 'not_found')], requests: [activation(OTHER_KEY)], error: 'not_found' }), 'activate: not_found'],
  ['a license key that is limited', call('activate', { license_key: OTHER_KEY }, { responses: [problem(429, 'rate_limited')], requests: [activation(OTHER_KEY)], error: 'rate_limited' }), 'activate: rate_limited'],
  ['a deactivation that is refused', call('deactivate', {}, { responses: [problem(403, 'offline_activation')], requests: [deactivation()], error: 'offline_activation' }), 'deactivate: offline_activation'],
  ['a deactivation in a captive portal', call('deactivate', {}, { responses: [page(200)], requests: [deactivation()], error: 'unreachable' }), 'deactivate: invalid_response'],
  ['a release without network', call('release', {}, { responses: [fault('timeout')], requests: [deactivation()] }), 'deactivate: network: fault: timeout']
]) {
  scenario(`the last failure after ${what}`, 'It names the request and the cause.', { storage: stored() },
    open(active(), 900), advance(10), step,
    call('diagnose', {}, { contains: [`last failure: 2026-01-15T12:00:10Z, ${failure}\n`], excludes: secrets }))
}

for (const [what, response, cause] of [['without network', fault('dns'), 'network: fault: dns'], ['with a page', page(404), 'http_404'], ['that is limited', problem(429, 'rate_limited'), 'rate_limited']]) {
  scenario(`the last failure after a fetch of the key set ${what}`, 'Its due time is its own.', { storage: stored({ next: NOW + 2 * DAY, token: token({ exp: NOW + 5 * DAY }) }) },
    open(active(NOW + 5 * DAY), DAY - HOUR),
    advance(DAY - HOUR),
    run([response], [fetchKeys], active(NOW + 5 * DAY), HOUR),
    call('diagnose', {}, { contains: [`last failure: 2026-01-16T11:00:00Z, fetch keys: ${cause}\n`] }))
}

scenario('a deactivation that is not found is no failure', 'The seat is free.', { storage: stored() },
  open(active(), 900),
  call('deactivate', {}, { responses: [problem(404, 'not_found')], requests: [deactivation()], state: unactivated, next: null }),
  call('diagnose', {}, { contains: ['last failure: none since the start\n'] }))

scenario('the text for support of a license that has ended', 'The token is still shown.', { storage: stored(), start: NOW + 4 * DAY },
  open(expired(), 2.5),
  call('diagnose', {}, { contains: ['state: Expired since 2026-01-18T13:00:00Z', 'license: lic_01KF0RDQG0P2TC47RJJZBDNR0B, tier pro'] }))

scenario('the text for support of a license that is refused', 'The code is what support needs.', { storage: stored({ token: null, refusal: { code: 'seat_limit_reached', retry_at: NOW + 300 } }) },
  open(refused('seat_limit_reached', NOW + 300), 2.5),
  call('diagnose', {}, { contains: lines('Refused (seat_limit_reached), retry at 2026-01-15T12:05:00Z', { license: 'none', token: 'none', 'next request': '2026-01-15T12:00:02Z' }), excludes: secrets }))

scenario('the text for support of a license that is refused for good', 'Nothing is requested.', { storage: stored({ token: null, refusal: { code: 'revoked' } }) },
  open(refused('revoked'), null),
  call('diagnose', {}, { contains: lines('Refused (revoked)', { license: 'none', token: 'none', 'next request': 'none' }), excludes: secrets }))

scenario('the text for support of a machine whose clock was set back', 'The line of the clock says how far.', { storage: stored() },
  open(active(), 900),
  setClock(-2 * DAY, tampered),
  call('diagnose', {}, { contains: lines('ClockTampered', { 'next request': '2026-01-15T12:00:00Z', clock: '2026-01-15T12:00:00Z, behind 172800 s, set back 172800 s, reference 2026-01-15T12:00:00Z' }) }))

scenario('the text for support of a machine with a license file', 'The file has no heartbeat.', {},
  open(unactivated, null),
  call('import_license_file', { file: FILE }, { state: active(NOW + 30 * DAY), next: 945 }),
  call('diagnose', {}, { contains: lines('Active until 2026-02-14T12:00:00Z', { token: 'issued 2026-01-15T12:00:00Z, exp 2026-02-14T12:00:00Z, offline until 2026-02-14T12:00:00Z, from a license file', 'license key': 'not stored', 'next request': '2026-01-15T12:15:45Z', 'key set': 'none' }) }))

scenario('the text for support of a process', 'It has the id of the process.', { ...withInstance, storage: { 'license-key': KEY } },
  open(waiting(), 2.5),
  call('diagnose', {}, { contains: ['machine id: machine-1\ninstance id: worker-1\nstate: Unactivated (a license key is stored; not_contacted)'], excludes: [KEY] }))

scenario('the text for support of an ephemeral machine', 'Support sees why a seat is taken by an unknown machine.', { options: { ephemeral: true } },
  open(unactivated, null),
  call('diagnose', {}, { contains: ['machine id: machine-1 (ephemeral)\nstate: Unactivated'] }))

// ---------------------------------------------------------------------------------------------------------------------
const config = { api_url: ISSUER, issuer: ISSUER, product: PRODUCT, root_keys: [keys.root.jwk, keys['next-root'].jwk] }
const outputs = { 'config.json': { ...config, machine_id: 'machine-1' } }
for (const [name, scenarios] of Object.entries(groups)) outputs[`scenarios/${name}.json`] = scenarios

// Outputs of operating systems, and the machine id that follows; null if the machine has none, and an ephemeral id is used.
const machineId = (id) => createHash('sha256').update(`signet-machine-id/1\n${PRODUCT}\n${id}`).digest('hex')
const ioreg = `+-o Root  <class IORegistryEntry, id 0x100000100, retain 11>
  +-o J314sAP  <class IOPlatformExpertDevice, id 0x10000021f, registered, matched, active, busy 0 (135 ms), retain 33>
      {
        "IOPlatformSerialNumber" = "C02XXXXXXXXX"
        "IOPlatformUUID" = "8D3F2A61-0C4B-5E7D-9A18-2B6C4D5E6F70"
      }
`
const reg = '\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Cryptography\r\n    MachineGuid    REG_SZ    3F2504E0-4F89-41D3-9A0C-0305E82C3301\r\n\r\n'
const linuxId = '0f8fad5bd9cb469fa165708867728950'
outputs['machine-ids.json'] = [
  { name: 'linux', system: 'linux', files: { '/etc/machine-id': `${linuxId}\n` }, environment: {}, machine_id: machineId(linuxId) },
  { name: 'linux with the identifier of D-Bus', system: 'linux', files: { '/var/lib/dbus/machine-id': `${linuxId.toUpperCase()}\n` }, environment: {}, machine_id: machineId(linuxId) },
  { name: 'linux with an empty machine-id', system: 'linux', files: { '/etc/machine-id': '\n', '/var/lib/dbus/machine-id': linuxId }, environment: {}, machine_id: machineId(linuxId) },
  { name: 'linux that is not set up', system: 'linux', files: { '/etc/machine-id': 'uninitialized\n' }, environment: {}, machine_id: null },
  { name: 'linux that is not set up, with the identifier of D-Bus', system: 'linux', files: { '/etc/machine-id': 'uninitialized\n', '/var/lib/dbus/machine-id': `${linuxId}\n` }, environment: {}, machine_id: machineId(linuxId) },
  { name: 'linux without an identifier', system: 'linux', files: {}, environment: {}, machine_id: null },
  { name: 'macos', system: 'macos', output: ioreg, files: {}, environment: {}, machine_id: machineId('8d3f2a61-0c4b-5e7d-9a18-2b6c4d5e6f70') },
  { name: 'macos without an identifier', system: 'macos', output: '+-o Root\n', files: {}, environment: {}, machine_id: null },
  { name: 'windows', system: 'windows', output: reg, files: {}, environment: {}, machine_id: machineId('3f2504e0-4f89-41d3-9a0c-0305e82c3301') },
  { name: 'windows without an identifier', system: 'windows', output: '', files: {}, environment: {}, machine_id: null },
  { name: 'docker', system: 'linux', files: { '/etc/machine-id': linuxId, '/.dockerenv': '' }, environment: {}, machine_id: null },
  { name: 'podman', system: 'linux', files: { '/etc/machine-id': linuxId, '/run/.containerenv': '' }, environment: {}, machine_id: null },
  { name: 'systemd-nspawn', system: 'linux', files: { '/etc/machine-id': linuxId }, environment: { container: 'systemd-nspawn' }, machine_id: null },
  { name: 'an empty variable of a container', system: 'linux', files: { '/etc/machine-id': linuxId }, environment: { container: '' }, machine_id: machineId(linuxId) },
  { name: 'kubernetes', system: 'linux', files: { '/etc/machine-id': linuxId }, environment: { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, machine_id: null },
  { name: 'a CI job', system: 'macos', output: ioreg, files: {}, environment: { CI: 'true' }, machine_id: null },
  { name: 'CI=false', system: 'linux', files: { '/etc/machine-id': linuxId }, environment: { CI: 'false' }, machine_id: machineId(linuxId) },
  { name: 'an empty CI', system: 'linux', files: { '/etc/machine-id': linuxId }, environment: { CI: '' }, machine_id: machineId(linuxId) },
  { name: 'lambda', system: 'linux', files: { '/etc/machine-id': linuxId }, environment: { AWS_LAMBDA_FUNCTION_NAME: 'f' }, machine_id: null },
  { name: 'ecs', system: 'linux', files: { '/etc/machine-id': linuxId }, environment: { ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/x' }, machine_id: null }
]
mkdirSync(here('scenarios'), { recursive: true })
let count = 0
let isCurrent = true
for (const [name, content] of Object.entries(outputs)) {
  const text = `${JSON.stringify(content, null, 1)}\n`
  if (process.argv.includes('--check')) {
    if (!existsSync(here(name)) || readFileSync(here(name), 'utf8') !== text) { console.error(`${name} is out of date: run node generate.mjs`); isCurrent = false }
  } else writeFileSync(here(name), text)
  if (name.startsWith('scenarios/')) count += content.length
}
console.log(`${count} scenarios`)
process.exit(isCurrent ? 0 : 1)
