package signet

import "math"

const (
	// clockTolerance is the difference between clocks, in seconds, that does not matter.
	clockTolerance = 60
	// maxSetBack is the sum of set-backs, in seconds, up to which the app may run.
	maxSetBack = 86400
)

// clock is the time of the client, which does not go back when the wall clock does. All values are seconds; times are Unix
// seconds.
type clock struct {
	time      float64 // the time of the client
	behind    float64 // how far the wall clock is behind time; negative if it is known to be ahead
	setBack   float64 // sum of all set-backs since reference
	reference float64 // the last signed time
	monotonic float64 // the monotonic clock at the last observation
}

// observe advances the time to that of the clocks, and counts a set-back of the wall clock. The time is at least notBefore.
func (c *clock) observe(wall, monotonic, notBefore float64) {
	elapsed := max(c.time+monotonic-c.monotonic, notBefore)
	c.monotonic = monotonic
	difference := elapsed - wall
	switch {
	case difference >= clockTolerance:
		c.time = elapsed
		c.behind = max(c.behind, 0)
		if difference > c.behind+clockTolerance {
			c.setBack += difference - c.behind
			c.behind = difference
		}
		c.behind = min(c.behind, difference)
	case difference <= -clockTolerance && c.behind < 0:
		corrected := wall + c.behind
		if elapsed-corrected > clockTolerance {
			c.setBack += elapsed - corrected
		}
		c.time = max(elapsed, corrected)
		c.behind = max(c.behind, difference)
	default:
		c.time = max(elapsed, wall)
		c.behind = 0
	}
}

// correct sets the clock by a token that was signed at issuedAt, which is later than the reference, and is valid until
// expiresAt. It returns by how many seconds the time was set back, or 0.
func (c *clock) correct(wall, issuedAt, expiresAt float64) float64 {
	before := c.time
	if wall >= issuedAt-clockTolerance && wall <= expiresAt {
		c.time = wall
		c.behind = 0
	} else {
		c.time = issuedAt
		c.behind = issuedAt - wall
	}
	c.setBack = 0
	c.reference = issuedAt
	return max(0, before-c.time)
}

func (c *clock) isTampered() bool { return c.setBack > maxSetBack }

// clockRecord is the stored form of a clock.
type clockRecord struct {
	LastSeen  float64 `json:"last_seen"`
	Behind    float64 `json:"behind"`
	SetBack   float64 `json:"set_back"`
	Reference float64 `json:"reference"`
}

// record returns the stored form, with a time of at most latest.
func (c *clock) record(latest float64) clockRecord {
	return clockRecord{
		LastSeen:  math.Floor(min(c.time, latest)),
		Behind:    math.Floor(c.behind),
		SetBack:   math.Floor(c.setBack),
		Reference: c.reference,
	}
}

// merge takes over what another process has stored: all of a clock with a later reference, and a later time and more
// set-backs of one with the same reference.
func (c *clock) merge(stored clockRecord) {
	switch {
	case stored.Reference > c.reference:
		c.time, c.behind, c.setBack, c.reference = stored.LastSeen, stored.Behind, stored.SetBack, stored.Reference
	case stored.Reference == c.reference:
		c.time = max(c.time, stored.LastSeen)
		if stored.SetBack > c.setBack {
			c.behind, c.setBack = stored.Behind, stored.SetBack
		}
	}
}
