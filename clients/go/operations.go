package signet

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"
)

// releaseTimeout is the time-out of the request that frees a seat at the end of a process.
const releaseTimeout = 2 * time.Second

// maxYear is the last year of an RFC 3339 time.
const maxYear = 9999

// ephemeralMachine says why a request that lasts longer than the process is refused.
const ephemeralMachine = "a random machine id, which ends with the process: set MachineID to a machine id that stays the same"

// byteOrderMark is what editors on Windows add to the start of a file.
const byteOrderMark = "\ufeff"

// run does what is due: it is one run of the background task.
func (c *core) run(ctx context.Context) {
	c.reload()
	if c.isDue(c.keysDue) {
		c.fetchKeys(ctx)
		c.reload()
	}
	if c.isDue(c.heartbeatDue) || c.isDue(c.activationDue) {
		c.renew(ctx)
	}
}

// renew asks for a newer token: with a heartbeat, or with the stored license key if there is no accepted token or a refusal. A
// heartbeat can return the same token again, with which ClockTampered would not end: then, too, it activates. Without a token
// and a license key it sends nothing.
func (c *core) renew(ctx context.Context) {
	isHeartbeat := c.refusal == nil && c.claims != nil && !(c.clock.isTampered() && c.licenseKey != "")
	switch {
	case isHeartbeat:
		c.apply(c.heartbeat(ctx, time.Time{}))
	case c.licenseKey != "":
		c.apply(c.ask(ctx, c.activateRequest(c.licenseKey)))
	}
}

// apply stores the outcome of a request of the background task.
func (c *core) apply(result outcome) {
	switch {
	case result.token != nil:
		_ = c.storeToken(result)
	case result.refusal != "":
		c.storeRefusal(result)
	default:
		c.reason = result.reason
		c.retryLater(result.retryAfter)
	}
}

// heartbeat sends a heartbeat, which borrows the seat if borrowUntil is not zero. If the seat was lost, it activates once with
// the stored license key.
func (c *core) heartbeat(ctx context.Context, borrowUntil time.Time) outcome {
	result := c.ask(ctx, c.heartbeatRequest(borrowUntil))
	if !lostSeatCodes[result.refusal] {
		return result
	}
	c.reload()
	if c.licenseKey == "" {
		return result
	}
	result = c.ask(ctx, c.activateRequest(c.licenseKey))
	result.isReactivation = true
	return result
}

// activate activates with a license key that the app gives. An outcome other than a token does not change a present license, and
// a license key that is none of this product changes nothing.
func (c *core) activate(ctx context.Context, licenseKey string) error {
	licenseKey = strings.TrimSpace(licenseKey)
	c.reload()
	hasOtherKey := c.licenseKey != "" && c.licenseKey != licenseKey
	hasOnlyToken := c.licenseKey == "" && c.claims != nil
	hasStoredKey := c.licenseKey != ""
	result := c.ask(ctx, c.activateRequest(licenseKey))
	switch {
	case result.token != nil:
		if other := c.storeToken(result); other != nil {
			return other.failure(activationFailed)
		}
		c.storeLicenseKey(licenseKey)
		return nil
	case hasOtherKey || hasOnlyToken:
	case otherKeyCodes[result.refusal] && !hasStoredKey:
	case result.refusal != "":
		if keptKeyCodes[result.refusal] {
			c.storeLicenseKey(licenseKey)
		}
		c.storeRefusal(result)
	default:
		c.reason = result.reason
		if !result.isRequestRefused() {
			c.keepForLater(licenseKey)
		}
		if _, isWaiting := c.activationDue(); isWaiting {
			c.retryLater(result.retryAfter)
		}
	}
	return result.failure(activationFailed)
}

// keepForLater stores a license key, with which the background task activates.
func (c *core) keepForLater(licenseKey string) {
	if c.licenseKey == "" {
		c.records.remove(refusalFile)
		c.refusal = nil
	}
	c.storeLicenseKey(licenseKey)
}

// borrow sends a heartbeat that borrows the seat.
func (c *core) borrow(ctx context.Context, until time.Time) error {
	if c.identity.isEphemeral {
		return newError(CodeEphemeralMachineID, borrowFailed+": it would be borrowed for "+ephemeralMachine)
	}
	c.reload()
	switch {
	case float64(until.Unix()) <= c.clock.time || until.UTC().Year() > maxYear:
		return newError(CodeInvalidValue, borrowFailed+": until must be later than now, and at most in the year 9999")
	case c.refusal != nil:
		return c.refusal.failure(borrowFailed)
	case c.claims == nil:
		return newError(CodeNotActivated, borrowFailed+": the machine is not activated")
	}
	result := c.heartbeat(ctx, until)
	if result.token != nil && result.isReactivation {
		if other := c.storeToken(result); other != nil {
			return other.failure(borrowFailed)
		}
		result = c.ask(ctx, c.heartbeatRequest(until))
	}
	switch {
	case result.token != nil:
		if other := c.storeToken(result); other != nil {
			return other.failure(borrowFailed)
		}
		return nil
	case result.refusal != "":
		c.storeRefusal(result)
	case !result.isRequestRefused():
		c.reason = result.reason
	}
	return result.failure(borrowFailed)
}

// refresh sends what the background task would send next, whether it is due or not.
func (c *core) refresh(ctx context.Context) {
	c.reload()
	c.renew(ctx)
}

// deactivate frees the seat, and removes everything but the key set and the clock. Without a token, it activates first with the
// stored license key: only a token frees the seat. If that is refused, the machine has no seat.
func (c *core) deactivate(ctx context.Context) error {
	c.reload()
	token := c.presentToken()
	if token == nil && c.licenseKey != "" {
		result := c.ask(ctx, c.activateRequest(c.licenseKey))
		if result.token == nil && result.refusal == "" {
			return result.failure(deactivationFailed)
		}
		if token = result.token; token != nil {
			if other := c.storeToken(result); other != nil {
				return other.failure(deactivationFailed)
			}
		}
	}
	if token != nil {
		if err := c.askToDeactivate(ctx, token); err != nil {
			return err
		}
	}
	c.removeToken()
	c.records.remove(refusalFile)
	c.records.remove(licenseKeyFile)
	c.refusal = nil
	c.licenseKey = ""
	c.schedule.succeeded()
	return nil
}

// release frees the seat, but keeps the license key. Failures are ignored. The seat of a license file cannot be freed. The
// background task then sends nothing until there is a token or the app has given a license key.
func (c *core) release(ctx context.Context) {
	c.reload()
	if token := c.presentToken(); token != nil {
		if c.token.file != nil {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
		defer cancel()
		if err := c.askToDeactivate(ctx, token); err != nil && (err.Code == "offline_activation" || err.Code == "borrow_return_limit") {
			return
		}
	}
	c.removeToken()
	c.isReleased = true
}

// close frees a seat that no later process can use.
func (c *core) close(ctx context.Context) {
	if c.identity.instanceID != "" || c.identity.isEphemeral {
		c.release(ctx)
	}
}

// presentToken returns the accepted token, or nil if there is none.
func (c *core) presentToken() *receivedToken {
	if c.claims == nil {
		return nil
	}
	return &receivedToken{text: c.token.Text, claims: c.claims}
}

// askToDeactivate returns nil if the seat is free.
func (c *core) askToDeactivate(ctx context.Context, token *receivedToken) *Error {
	r := deactivateRequest(token)
	response, err := c.exchange(ctx, r)
	if err == nil && response.status == http.StatusOK && parseObject(response.body) != nil {
		return nil
	}
	result := interpretFailure(response, err, c.clock.time, c.secrets(r))
	if result.code() == "not_found" {
		return nil
	}
	c.noteFailure(r, result)
	return result.failure(deactivationFailed)
}

// offlineRequest returns the text from which a license file is made.
func (c *core) offlineRequest() (string, error) {
	if c.identity.isEphemeral {
		return "", newError(CodeEphemeralMachineID, requestFailed+": a license file would be for "+ephemeralMachine)
	}
	data, _ := json.Marshal(struct {
		Product     string `json:"product"`
		MachineID   string `json:"machine_id"`
		MachineName string `json:"machine_name,omitempty"`
	}{c.verifier.product, c.identity.machineID, c.identity.machineName})
	return "signet-request/1:" + base64url.EncodeToString(data), nil
}

// invalidLicenseFile returns the error of an import, without a cause: its text is the whole message.
func invalidLicenseFile(reason error) *Error {
	return newError(CodeLicenseFileInvalid, importFailed+": "+reason.Error())
}

// importLicenseFile makes the token of a license file the present one.
func (c *core) importLicenseFile(text string) error {
	text = strings.TrimPrefix(text, byteOrderMark)
	c.reload()
	file, err := parseLicenseFile(text)
	if err != nil {
		return invalidLicenseFile(err)
	}
	claims, err := c.licenseFileClaims(file)
	if err != nil {
		return invalidLicenseFile(err)
	}
	switch {
	case claims.offlineUntil < c.clock.time || claims.offlineUntil < c.wall():
		return invalidLicenseFile(errors.New("it ended at " + rfc3339(fromUnix(claims.offlineUntil))))
	case c.refusal != nil && claims.issuedAt <= c.refusal.At:
		return newError(c.refusal.Code, importFailed+": the API refused the license after the file was made")
	case c.claims != nil && c.token.Text == file.token:
		return nil
	case c.claims != nil && claims.issuedAt <= c.claims.issuedAt:
		return invalidLicenseFile(errFileOlder)
	}
	if claims.issuedAt > c.clock.reference {
		c.correctClock(claims.issuedAt, math.Inf(1))
	}
	delay := claims.heartbeatInterval
	c.setToken(&storedToken{
		Text:            file.token,
		NextHeartbeatAt: math.Floor(c.clock.time + delay + c.random()*delay/10),
		LicenseFile:     &text,
		file:            file,
	}, claims)
	c.schedule.succeeded()
	return nil
}
