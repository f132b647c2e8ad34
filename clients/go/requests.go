package signet

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"time"
)

const (
	activatePath  = "/api/v1.0/license-activations/activate"
	heartbeatPath = "/api/v1.0/license-keys/heartbeat"
	keysPath      = "/.well-known/jwks.jwt"
	// maxReplayAge is by how many seconds a token may be older than the last signed time: the clocks of servers differ.
	maxReplayAge = 300
)

var errNoKeySet = errors.New("the response has no key set that is newer")

type activateBody struct {
	LicenseKey  string `json:"license_key"`
	MachineID   string `json:"machine_id"`
	InstanceID  string `json:"instance_id,omitempty"`
	MachineName string `json:"machine_name,omitempty"`
	AppVersion  string `json:"app_version,omitempty"`
	OS          string `json:"os,omitempty"`
	Hostname    string `json:"hostname,omitempty"`
}

type heartbeatBody struct {
	Token       string `json:"token"`
	MachineID   string `json:"machine_id"`
	InstanceID  string `json:"instance_id,omitempty"`
	BorrowUntil string `json:"borrow_until,omitempty"`
	AppVersion  string `json:"app_version,omitempty"`
	OS          string `json:"os,omitempty"`
	Hostname    string `json:"hostname,omitempty"`
}

type deactivateBody struct {
	Token string `json:"token"`
}

func (c *core) activateRequest(licenseKey string) request {
	id := c.identity
	body := activateBody{licenseKey, id.machineID, id.instanceID, id.machineName, id.appVersion, id.os, id.hostname}
	return request{"activate", activatePath, body, licenseKey}
}

// heartbeatRequest returns a heartbeat, which borrows the seat if until is not zero.
func (c *core) heartbeatRequest(until time.Time) request {
	id := c.identity
	body := heartbeatBody{Token: c.token.Text, MachineID: id.machineID, InstanceID: id.instanceID, AppVersion: id.appVersion, OS: id.os, Hostname: id.hostname}
	if !until.IsZero() {
		body.BorrowUntil = until.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	return request{"heartbeat", heartbeatPath, body, body.Token}
}

func deactivateRequest(token *receivedToken) request {
	path := "/api/v1.0/license-activations/" + url.PathEscape(token.claims.activationID) + "/deactivate"
	return request{"deactivate", path, deactivateBody{token.text}, token.text}
}

// exchange sends a request, and unlocks the core until the response has arrived.
func (c *core) exchange(ctx context.Context, r request) (received *response, err error) {
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.observe()
		if received != nil {
			c.lastContact = c.clock.time
		}
	}()
	return c.send(ctx, r)
}

// ask sends an activation or a heartbeat, and verifies the token of the response. If that is of another product, it frees the
// seat that the activation took; if this fails, the lease of the seat ends by itself.
func (c *core) ask(ctx context.Context, r request) outcome {
	result := c.receive(ctx, r)
	if r.path == heartbeatPath {
		result = result.forHeartbeat()
	} else {
		result = result.forActivation()
	}
	if result.token == nil {
		c.noteFailure(r, result)
	}
	if result.otherProduct != nil {
		_, _ = c.exchange(ctx, deactivateRequest(result.otherProduct))
	}
	return result
}

func (c *core) receive(ctx context.Context, r request) outcome {
	sentAfter := c.refusal.id()
	response, err := c.exchange(ctx, r)
	result := interpret(response, err, c.clock.time, c.secrets(r))
	result.sentAfter = sentAfter
	if result.token == nil {
		return result
	}
	claims, err := c.signedToken(ctx, result.token.text)
	if err != nil || !c.verifier.isForThisProcess(claims) {
		return response.notAccepted(err, c.clock.time)
	}
	result.token.claims = claims
	isOtherProduct := claims.product != c.verifier.product
	switch {
	case isOtherProduct && r.path == activatePath:
		return c.wrongProduct(r, result.token, response.status)
	case isOtherProduct || claims.issuedAt < c.clock.reference-maxReplayAge:
		return response.notAccepted(nil, c.clock.time)
	default:
		return result
	}
}

// signedToken verifies the token of a response, which may be for another product, machine or process. It fetches the key set if
// that does not contain the signing key.
func (c *core) signedToken(ctx context.Context, text string) (*claims, error) {
	claims, err := c.verifier.signedToken(text, c.keys)
	if !errors.Is(err, errUnknownKey) {
		return claims, err
	}
	if err := c.fetchKeys(ctx); err != nil {
		return nil, err
	}
	return c.verifier.signedToken(text, c.keys)
}

// wrongProduct returns the refusal of a license key of another product. With another status than 201, the activation took no
// seat: an app of that product, with the same machine id, has it already.
func (c *core) wrongProduct(r request, token *receivedToken, status int) outcome {
	other := quoteProduct(c.secrets(r).redact(token.claims.product))
	detail := "it is for the product " + other + ", not " + quoteProduct(c.verifier.product)
	if status != http.StatusCreated {
		token = nil
	}
	return outcome{refusal: CodeWrongProduct, detail: detail, otherProduct: token}
}

// secrets returns what the response to a request can contain, and is not shown.
func (c *core) secrets(r request) secrets {
	if c.token == nil {
		return newSecrets(r.secret, c.licenseKey)
	}
	return newSecrets(r.secret, c.licenseKey, c.token.Text)
}

// fetchKeys fetches the key set, and stores it. The error is errUnsignedKeySet if no root key signed it.
func (c *core) fetchKeys(ctx context.Context) error {
	r := request{name: "fetch keys", path: keysPath}
	response, err := c.exchange(ctx, r)
	c.keys, _ = c.verifier.keySet(c.records.read(keysFile))
	if err != nil || response.status != http.StatusOK {
		c.noteFailure(r, interpretFailure(response, err, c.clock.time, c.secrets(r)))
		err = errNoKeySet
	} else if err = c.storeKeys(string(response.body)); err != nil {
		c.noteFailure(r, response.notAccepted(err, c.clock.time))
	}
	c.schedule.keysFetched(c.clock.time, c.random(), err == nil)
	c.accept()
	return err
}

// storeKeys stores a key set that is valid, not expired, and not older than the stored one.
func (c *core) storeKeys(text string) error {
	keys, err := c.verifier.keySet(text)
	if err != nil {
		return err
	}
	if keys.expiresAt < math.Min(c.clock.time, c.wall()) || (c.keys != nil && keys.issuedAt < c.keys.issuedAt) {
		return errNoKeySet
	}
	c.keys = keys
	c.records.write(keysFile, text)
	return nil
}
