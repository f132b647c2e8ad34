package signet

import (
	"context"
	"math"
	"sync"
)

// Unlimited is the limit of a feature without one, as [License.Limit] returns it.
const Unlimited = math.MaxInt64

// ports are what the core needs of the world.
type ports struct {
	wall      func() float64 // Unix seconds
	monotonic func() float64 // seconds
	random    func() float64 // from 0 up to 1
	send      func(context.Context, request) (*response, error)
	storage   Storage
	apiURL    string // where send sends requests to
}

// identity is what requests say of the machine. Empty texts are not sent.
type identity struct {
	machineID, instanceID, machineName, appVersion, os, hostname string
	isEphemeral                                                  bool
}

// core decides: what is stored, which requests are due, and what responses mean. It has no task of its own. Every method
// needs mu, which is unlocked while a request is on its way.
type core struct {
	mu sync.Mutex
	ports
	verifier       *verifier
	identity       identity
	records        *records
	keepLicenseKey bool

	// What is stored, as read last.

	keys       *keySet
	token      *storedToken
	claims     *claims // of token, if it is accepted
	refusal    *refusal
	licenseKey string
	clock      clock
	savedClock clockRecord

	schedule   schedule
	isReleased bool   // the seat was released: the background task sends nothing
	reason     string // why there is no token, or no newer one
	reported   State  // the state that callbacks know

	lastContact float64 // time of the last response, or 0
	lastFailure string  // describes the last request that did not succeed, or is empty
}

const notContacted = "not_contacted"

// newCore reads the storage.
func newCore(p ports, v *verifier, id identity, keepLicenseKey bool) *core {
	var memoryOnly []string
	if id.instanceID != "" || id.isEphemeral {
		memoryOnly = []string{tokenFile, refusalFile}
	}
	c := &core{ports: p, verifier: v, identity: id, records: newRecords(p.storage, memoryOnly...), keepLicenseKey: keepLicenseKey, reason: notContacted}
	if !keepLicenseKey && c.records.licenseKey() != "" {
		c.records.remove(licenseKeyFile)
	}
	c.clock = clock{time: p.wall(), monotonic: p.monotonic()}
	if stored, ok := c.records.clock(); ok {
		c.clock.time, c.clock.behind, c.clock.setBack, c.clock.reference = stored.LastSeen, stored.Behind, stored.SetBack, stored.Reference
		c.savedClock = stored
	}
	c.load()
	c.schedule.refusalAtStart = c.refusal.id()
	c.reported = c.state()
	if at, ok := c.nextDue(); ok && at <= c.clock.time {
		c.schedule.notBefore = c.clock.time + c.random()*startDelay
	}
	return c
}

// reload reads what other processes may have changed.
func (c *core) reload() {
	c.clock.observe(c.wall(), c.monotonic(), c.notBefore())
	if stored, ok := c.records.clock(); ok {
		c.clock.merge(stored)
	}
	c.load()
	c.observe()
}

func (c *core) load() {
	c.keys, _ = c.verifier.keySet(c.records.read(keysFile))
	before := c.token
	c.token = c.records.token()
	c.refusal = c.records.refusal()
	if c.keepLicenseKey {
		c.licenseKey = c.records.licenseKey()
	}
	c.accept()
	if before != nil && (c.token == nil || c.token.Text != before.Text) {
		c.reason = notContacted
		c.schedule.succeeded()
	}
}

// accept verifies the stored token with the present keys.
func (c *core) accept() {
	c.claims = nil
	switch {
	case c.token == nil:
	case c.token.file != nil:
		c.claims, _ = c.licenseFileClaims(c.token.file)
	default:
		c.claims, _ = c.verifier.token(c.token.Text, c.keys)
	}
	if c.claims != nil {
		c.isReleased = false
	}
}

// licenseFileClaims verifies a license file at the later one of the time of the client and that of the wall clock.
func (c *core) licenseFileClaims(file *licenseFile) (*claims, error) {
	return c.verifier.licenseFile(file, max(c.clock.time, c.wall()))
}

func (c *core) notBefore() float64 {
	if c.claims == nil {
		return 0
	}
	return c.claims.notBefore
}

// observe advances the clock, and stores it if it has moved by a minute or was set back.
func (c *core) observe() {
	c.clock.observe(c.wall(), c.monotonic(), c.notBefore())
	record := c.clockRecord()
	if math.Abs(record.LastSeen-c.savedClock.LastSeen) >= 60 || record.SetBack != c.savedClock.SetBack {
		c.saveClock()
	}
}

func (c *core) clockRecord() clockRecord {
	if c.claims == nil {
		return c.clock.record(math.Inf(1))
	}
	return c.clock.record(c.claims.offlineUntil + 1)
}

// saveClock stores the clock, together with what another process has stored.
func (c *core) saveClock() {
	if stored, ok := c.records.clock(); ok {
		c.clock.merge(stored)
	}
	c.savedClock = c.clockRecord()
	c.records.writeJSON(clockFile, c.savedClock)
}

// state returns the present state.
func (c *core) state() State {
	c.observe()
	now := c.clock.time
	switch {
	case c.refusal != nil:
		return State{Name: Refused, Code: c.refusal.Code, RetryAt: fromOptionalUnix(c.refusal.RetryAt)}
	case c.claims == nil:
		if c.licenseKey == "" {
			return State{Name: Unactivated}
		}
		return State{Name: Unactivated, HasLicenseKey: true, Reason: c.reason}
	case c.clock.isTampered():
		return State{Name: ClockTampered}
	case now > c.claims.offlineUntil:
		return State{Name: Expired, Since: fromUnix(c.claims.offlineUntil)}
	case now > c.claims.expiresAt:
		return State{Name: Offline, Until: fromUnix(c.claims.offlineUntil), Reason: c.reason}
	default:
		return State{Name: Active, Until: fromUnix(c.claims.expiresAt), InGrace: c.token.InGrace, GraceEndsAt: fromOptionalUnix(c.token.GraceEndsAt)}
	}
}

func (c *core) has(feature string) bool { return c.state().MayRun() && c.claims.features[feature] }

func (c *core) limit(feature string) int64 {
	if !c.state().MayRun() {
		return 0
	}
	return c.claims.limits[feature]
}

// change returns the state if callbacks are to be called with it.
func (c *core) change() (State, bool) {
	state := c.state()
	isChange := state.isChangeFrom(c.reported)
	c.reported = state
	return state, isChange
}
