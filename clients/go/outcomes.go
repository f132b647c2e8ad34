package signet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math"
)

// storeToken stores the token of a response. If another process has stored a refusal since the request was sent, it stores
// nothing, and returns that refusal.
func (c *core) storeToken(result outcome) *refusal {
	if current := c.records.refusal(); current != nil && current.ID != result.sentAfter {
		c.reload()
		return current
	}
	token := result.token
	isLater := token.claims.issuedAt > c.clock.reference
	isStillTampered := c.clock.isTampered() && !isLater
	if isLater {
		c.correctClock(token.claims.issuedAt, token.claims.expiresAt)
	}
	delay := token.nextHeartbeatDelay(c.clock.time)
	c.setToken(&storedToken{
		Text:            token.text,
		NextHeartbeatAt: math.Floor(c.clock.time + delay + c.random()*delay/10),
		InGrace:         token.inGrace,
		GraceEndsAt:     token.graceEndsAt,
	}, token.claims)
	if isStillTampered {
		c.retryLater(0)
	} else {
		c.schedule.succeeded()
	}
	return nil
}

// setToken makes a token the present one, and removes the refusal. The caller sets the schedule.
func (c *core) setToken(token *storedToken, claims *claims) {
	c.records.writeJSON(tokenFile, token)
	c.records.remove(refusalFile)
	token.kid = claims.kid
	c.token = token
	c.claims = claims
	c.refusal = nil
	c.reason = notContacted
	c.isReleased = false
	c.saveClock()
}

// correctClock sets the clock by a token with a later signed time than the reference, and moves the schedule with it.
func (c *core) correctClock(issuedAt, expiresAt float64) {
	c.schedule.moveBack(c.clock.correct(c.wall(), issuedAt, expiresAt))
}

// storeRefusal stores a refusal, and removes the token.
func (c *core) storeRefusal(result outcome) {
	c.refusal = &refusal{ID: randomHex(), Code: result.refusal, At: math.Floor(c.clock.time), RetryAt: result.retryAt}
	c.records.writeJSON(refusalFile, c.refusal)
	c.removeToken()
	c.schedule.succeeded()
}

func (c *core) removeToken() {
	c.records.remove(tokenFile)
	c.token = nil
	c.claims = nil
}

func (c *core) storeLicenseKey(licenseKey string) {
	if c.keepLicenseKey {
		c.licenseKey = licenseKey
		c.records.write(licenseKeyFile, licenseKey)
		c.isReleased = false
	}
}

// noteFailure records for support that a request did not succeed. One that was canceled does not count.
func (c *core) noteFailure(r request, o outcome) {
	if !errors.Is(o.cause, context.Canceled) {
		c.lastFailure = rfc3339(fromUnix(c.clock.time)) + ", " + r.name + ": " + o.shortExplanation()
	}
}

// retryLater sets the next try of the background task after a failure.
func (c *core) retryLater(retryAfter float64) {
	limit := float64(maxRetryLimit)
	if c.claims != nil {
		limit = c.claims.heartbeatInterval
	}
	c.schedule.failed(c.clock.time, c.random(), limit, retryAfter)
}

// randomHex returns 128 random bits.
func randomHex() string {
	var data [16]byte
	_, _ = rand.Read(data[:])
	return hex.EncodeToString(data[:])
}
