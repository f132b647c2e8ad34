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
	return request{activatePath, activationFailed, activateBody{licenseKey, id.machineID, id.instanceID, id.machineName, id.appVersion, id.os, id.hostname}}
}

// heartbeatRequest returns a heartbeat, which borrows the seat if until is not zero.
func (c *core) heartbeatRequest(until time.Time) request {
	id := c.identity
	body := heartbeatBody{Token: c.token.Text, MachineID: id.machineID, InstanceID: id.instanceID, AppVersion: id.appVersion, OS: id.os, Hostname: id.hostname}
	if !until.IsZero() {
		body.BorrowUntil = until.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	return request{heartbeatPath, "the heartbeat failed", body}
}

func deactivateRequest(token *receivedToken) request {
	path := "/api/v1.0/license-activations/" + url.PathEscape(token.claims.activationID) + "/deactivate"
	return request{path, deactivationFailed, deactivateBody{token.text}}
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

// ask sends an activation or a heartbeat, and verifies the token of the response.
func (c *core) ask(ctx context.Context, r request) outcome {
	result := c.receive(ctx, r)
	if r.path == heartbeatPath {
		result = result.forHeartbeat()
	}
	if result.token == nil && result.refusal == "" {
		c.noteFailure(r, result)
	}
	return result
}

func (c *core) receive(ctx context.Context, r request) outcome {
	sentAfter := c.refusal.id()
	response, err := c.exchange(ctx, r)
	result := interpret(response, err, c.clock.time)
	result.sentAfter = sentAfter
	if result.token == nil {
		return result
	}
	claims, err := c.verifier.token(result.token.text, c.keys)
	if errors.Is(err, errUnknownKey) && c.fetchKeys(ctx) {
		claims, err = c.verifier.token(result.token.text, c.keys)
	}
	if err != nil || claims.issuedAt < c.clock.reference-maxReplayAge {
		return response.unreachable("invalid_response", c.clock.time)
	}
	result.token.claims = claims
	return result
}

// fetchKeys fetches the key set, and returns whether it was stored.
func (c *core) fetchKeys(ctx context.Context) bool {
	r := request{path: keysPath, failure: "the key set was not fetched"}
	response, err := c.exchange(ctx, r)
	c.keys, _ = c.verifier.keySet(c.records.read(keysFile))
	isStored := err == nil && response.status == http.StatusOK && c.storeKeys(string(response.body))
	if !isStored {
		c.noteFailure(r, interpretFailure(response, err, c.clock.time))
	}
	c.schedule.keysFetched(c.clock.time, c.random(), isStored)
	c.accept()
	return isStored
}

// storeKeys stores a key set that is valid, not expired, and not older than the stored one.
func (c *core) storeKeys(text string) bool {
	keys, err := c.verifier.keySet(text)
	if err != nil || keys.expiresAt < math.Min(c.clock.time, c.wall()) || (c.keys != nil && keys.issuedAt < c.keys.issuedAt) {
		return false
	}
	c.keys = keys
	c.records.write(keysFile, text)
	return true
}
