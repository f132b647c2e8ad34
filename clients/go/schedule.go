package signet

import (
	"math"
	"time"
)

const (
	hour = 3600
	day  = 86400
	// startDelay is the longest delay, in seconds, of the first request after a start.
	startDelay = 5
	// firstRetryDelay is the longest delay, in seconds, of the try after the first failure.
	firstRetryDelay = 10
	minRetryLimit   = 60
	maxRetryLimit   = hour
	// refusalJitter is the longest random part, in seconds, of the delay after a refusal.
	refusalJitter = 60
)

// schedule is when the requests of the background task are due. Times are those of the clock of the client; 0 is not set.
type schedule struct {
	notBefore float64 // the first request after a start
	nextTry   float64 // the next try after a failure
	failures  int     // since the last success or refusal
	nextKeys  float64 // the next fetch of the key set; 0 if this process has not fetched yet

	refusalAtStart string  // id of the refusal that was stored at the start and was not retried yet, or empty
	refusalID      string  // the refusal that refusalDelay belongs to
	refusalDelay   float64 // the random part of the retry of the refusal
}

// failed sets the next try after a failure. random is from 0 up to 1.
func (s *schedule) failed(now, random, limit, retryAfter float64) {
	limit = min(max(limit, minRetryLimit), maxRetryLimit)
	delay := max(1, random*min(math.Ldexp(firstRetryDelay, min(s.failures, 30)), limit))
	s.failures++
	s.nextTry = now + max(delay, retryAfter)
	s.refusalAtStart = ""
}

// succeeded ends a series of failures.
func (s *schedule) succeeded() {
	s.failures = 0
	s.nextTry = 0
	s.refusalAtStart = ""
}

// keysFetched sets the next fetch of the key set.
func (s *schedule) keysFetched(now, random float64, isStored bool) {
	if isStored {
		s.nextKeys = now + day + random*hour
	} else {
		s.nextKeys = now + hour
	}
}

// moveBack moves all times with a clock that was set back.
func (s *schedule) moveBack(seconds float64) {
	for _, at := range []*float64{&s.notBefore, &s.nextTry, &s.nextKeys} {
		*at = max(0, *at-seconds)
	}
}

// retryOf returns when a refusal is retried: at once after a start, because the vendor may have reinstated the license.
func (s *schedule) retryOf(r *refusal, random func() float64) float64 {
	if s.refusalAtStart == r.ID {
		return 0
	}
	if s.refusalID != r.ID {
		s.refusalID, s.refusalDelay = r.ID, random()*refusalJitter
	}
	if r.RetryAt != nil && *r.RetryAt > r.At {
		return *r.RetryAt + s.refusalDelay
	}
	return r.At + hour + s.refusalDelay
}

// keysDue returns when the fetch of the key set is due, and false if it never is.
func (c *core) keysDue() (float64, bool) {
	switch {
	case c.token == nil || c.refusal != nil:
		return 0, false
	case c.keys == nil && c.token.file != nil:
		return 0, false
	case c.schedule.nextKeys > 0:
		return c.schedule.nextKeys, true
	case c.token.file == nil && !c.keys.has(c.token.kid):
		return 0, true
	default:
		return c.keys.issuedAt + day, true
	}
}

// heartbeatDue returns when a heartbeat is due, and false if there is no accepted token.
func (c *core) heartbeatDue() (float64, bool) {
	if c.refusal != nil || c.claims == nil {
		return 0, false
	}
	if c.clock.isTampered() {
		return c.schedule.nextTry, true
	}
	return max(c.token.NextHeartbeatAt, c.schedule.nextTry), true
}

// activationDue returns when the background task activates, and false if it does not.
func (c *core) activationDue() (float64, bool) {
	switch {
	case c.licenseKey == "" || c.isReleased:
		return 0, false
	case c.refusal != nil:
		return max(c.schedule.retryOf(c.refusal, c.random), c.schedule.nextTry), retriedCodes[c.refusal.Code]
	default:
		return c.schedule.nextTry, c.claims == nil
	}
}

// nextDue returns when the next request of the background task is due, and false if none is.
func (c *core) nextDue() (float64, bool) {
	next, isAny := math.Inf(1), false
	for _, due := range []func() (float64, bool){c.keysDue, c.heartbeatDue, c.activationDue} {
		if at, ok := due(); ok {
			next, isAny = min(next, at), true
		}
	}
	return max(next, c.schedule.notBefore), isAny
}

// untilNextRun returns how long the background task sleeps: until a request is due, or until the first whole second after the
// token has ended, which changes the state.
func (c *core) untilNextRun() time.Duration {
	now, seconds := c.clock.time, maxSleep.Seconds()
	if at, isAny := c.nextDue(); isAny {
		seconds = min(seconds, max(minSleep.Seconds(), at-now))
	}
	if c.claims != nil {
		for _, end := range []float64{c.claims.expiresAt, c.claims.offlineUntil} {
			if wait := math.Floor(end) + 1 - now; wait > 0 {
				seconds = min(seconds, wait)
			}
		}
	}
	// The clock has milliseconds: a sleep that is rounded down would end too early.
	return time.Duration(math.Ceil(seconds*1000)) * time.Millisecond
}

// isDue returns whether the time of a request has come.
func (c *core) isDue(due func() (float64, bool)) bool {
	at, ok := due()
	return ok && max(at, c.schedule.notBefore) <= c.clock.time
}
