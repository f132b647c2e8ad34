package signet

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// request is a request to the API. Without a body it is a GET, and otherwise a POST of JSON.
type request struct {
	name   string // for Diagnose
	path   string
	body   any
	secret string // the license key or the token in the body
}

// What operations report as failed.
const (
	activationFailed   = "the license key was not activated"
	deactivationFailed = "the seat was not freed"
	borrowFailed       = "the seat was not borrowed"
	importFailed       = "the license file was not imported"
	requestFailed      = "the request was not created"
)

// response is a complete response of a server.
type response struct {
	status      int
	contentType string
	retryAfter  string
	body        []byte
}

const (
	maxRetryAfter = 86400
	// networkReason is the reason of a request without a response.
	networkReason = "network"
	// invalidResponse is the reason of a response with a status of success that is none for the request.
	invalidResponse = "invalid_response"
)

// refusalCodes are the codes with which the API refuses an activation.
var refusalCodes = map[string]bool{
	"revoked": true, "superseded": true, "suspended": true, "expired": true, "product_inactive": true, "generation_outdated": true,
	"not_activated": true, "token_invalid": true, "machine_mismatch": true,
	"not_found": true, "seat_limit_reached": true, CodeWrongProduct: true,
}

// activationCodes are those of refusalCodes with which the API does not refuse a heartbeat.
var activationCodes = map[string]bool{"not_found": true, "seat_limit_reached": true, CodeWrongProduct: true}

// otherKeyCodes are the codes of an activation whose license key is none of this product: the user mistyped it, or has several.
var otherKeyCodes = map[string]bool{"not_found": true, CodeWrongProduct: true}

// lostSeatCodes are the codes of a heartbeat after which the client activates.
var lostSeatCodes = map[string]bool{"not_activated": true, "token_invalid": true, "machine_mismatch": true}

// retriedCodes are the codes of refusals after which the background task activates again.
var retriedCodes = map[string]bool{
	"seat_limit_reached": true, "suspended": true, "expired": true, "product_inactive": true,
	"not_activated": true, "token_invalid": true, "machine_mismatch": true,
}

// keptKeyCodes are the codes of refusals with which the license key is stored.
var keptKeyCodes = map[string]bool{"seat_limit_reached": true, "suspended": true, "expired": true, "product_inactive": true}

// outcome is what a response means: a token, a refusal, or neither, in which case the API counts as unreachable.
type outcome struct {
	token *receivedToken

	refusal string   // code of a refusal, or empty
	retryAt *float64 // when a seat may become free, or nil

	otherProduct *receivedToken // the token of another product, if the activation took a seat of it, or nil

	reason     string  // why the API counts as unreachable, as in State.Reason
	problem    string  // code of a problem with a 4xx status that is not a refusal, or empty
	detail     string  // one line about the problem, the other product, or the failure, without secrets; or empty
	status     int     // HTTP status, or 0 without a response
	retryAfter float64 // seconds, or 0
	cause      error   // error of the network, or nil

	sentAfter      string // id of the refusal that was stored when the request was sent
	isReactivation bool   // an activation followed a heartbeat, because the seat was lost
}

// receivedToken is the body of a response with a token, which was not verified.
type receivedToken struct {
	text            string
	nextHeartbeatAt *float64
	inGrace         bool
	graceEndsAt     *float64
	claims          *claims // set when the token was verified
}

// interpret returns what a response to an activation or a heartbeat means at the time now. Either r or err is nil. Texts for
// messages do not contain the secrets.
func interpret(r *response, err error, now float64, s secrets) outcome {
	if err == nil && r.isSuccess() {
		body := parseObject(r.body)
		if text, ok := body.text("token"); ok {
			return outcome{token: &receivedToken{text: text, nextHeartbeatAt: body.time("next_heartbeat_at"), inGrace: body.isTrue("in_grace"), graceEndsAt: body.time("grace_ends_at")}}
		}
	}
	return interpretFailure(r, err, now, s)
}

// interpretFailure returns what a response means that is not the one that was asked for.
func interpretFailure(r *response, err error, now float64, s secrets) outcome {
	if err != nil {
		return outcome{reason: networkReason, detail: s.line(err.Error()), cause: err}
	}
	if r.isSuccess() {
		return r.unreachable(invalidResponse, now)
	}
	problem := r.problem()
	code, _ := problem.text("code")
	result := r.unreachable(fmt.Sprintf("http_%d", r.status), now)
	if !r.isClientError() || code == "" {
		return result
	}
	result.detail = describeProblem(code, problem, s)
	switch {
	case refusalCodes[code]:
		result.refusal = code
	case isCode(code):
		result.problem = code
	default:
		result.problem = s.line(code)
	}
	if result.refusal == "seat_limit_reached" {
		result.retryAt = problem.time("retry_at")
	}
	return result
}

// forHeartbeat turns the refusals that do not end a license that was activated into an unreachable API.
func (o outcome) forHeartbeat() outcome {
	if activationCodes[o.refusal] {
		o.problem, o.refusal = o.refusal, ""
	}
	return o
}

// forActivation says of a license key that does not exist what is wrong, in words of its own.
func (o outcome) forActivation() outcome {
	if o.refusal == "not_found" {
		o.detail = "there is no such license key"
	}
	return o
}

// code returns the code of a problem with a 4xx status, or the empty text.
func (o outcome) code() string { return o.refusal + o.problem }

// failure returns the error of an operation whose outcome is no success.
func (o outcome) failure(what string) *Error {
	return &Error{Code: orElse(o.code(), CodeUnreachable), Message: what + ": " + o.explanation(), cause: o.cause}
}

// explanation says in one line why a request failed, for the message of an error.
func (o outcome) explanation() string { return orElse(o.detail, o.reason) }

// shortExplanation says in one line why a request failed, for Diagnose.
func (o outcome) shortExplanation() string {
	switch {
	case o.cause != nil:
		return networkReason + ": " + o.detail
	case o.code() != "":
		return o.code()
	default:
		return o.explanation()
	}
}

// maxFieldErrors is how many fields that are not valid a message names.
const maxFieldErrors = 3

// describeProblem returns the detail of a problem, or its code, and the first fields that are not valid.
func describeProblem(code string, problem object, s secrets) string {
	detail, _ := problem.text("detail")
	if detail == "" {
		detail = code
	}
	parts := []string{s.line(detail)}
	var fields []json.RawMessage
	_ = json.Unmarshal(problem["errors"], &fields)
	for _, data := range fields {
		field := parseObject(data)
		pointer, ok1 := field.text("pointer")
		detail, ok2 := field.text("detail")
		if ok1 && ok2 && len(parts) <= maxFieldErrors {
			parts = append(parts, s.line(pointer)+": "+s.line(detail))
		}
	}
	return strings.Join(parts, "; ")
}

// isRequestRefused returns whether the API refused the request without saying something about the license: the same request
// will be refused again.
func (o outcome) isRequestRefused() bool {
	return o.problem != "" && o.status != http.StatusTooManyRequests
}

func (r *response) unreachable(reason string, now float64) outcome {
	return outcome{reason: reason, status: r.status, retryAfter: r.retryAfterSeconds(now)}
}

// notAccepted returns what a response with a status of success means whose token or key set is not accepted. err is why, or nil.
func (r *response) notAccepted(err error, now float64) outcome {
	result := r.unreachable(invalidResponse, now)
	if errors.Is(err, errUnsignedKeySet) {
		result.detail = invalidResponse + ": " + err.Error()
	}
	return result
}

func (r *response) isSuccess() bool {
	return r.status == http.StatusOK || r.status == http.StatusCreated
}

func (r *response) isClientError() bool { return r.status >= 400 && r.status < 500 }

// problem returns the problem document (RFC 9457), or nil if there is none.
func (r *response) problem() object {
	mediaType, _, err := mime.ParseMediaType(r.contentType)
	if err != nil || mediaType != "application/problem+json" {
		return nil
	}
	return parseObject(r.body)
}

// retryAfterSeconds returns the value of Retry-After, which is a number of seconds or a date, as seconds, and 0 without one.
func (r *response) retryAfterSeconds(now float64) float64 {
	text := strings.TrimSpace(r.retryAfter)
	if seconds, err := strconv.ParseUint(text, 10, 63); err == nil {
		return min(float64(seconds), maxRetryAfter)
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(0, date.Sub(fromUnix(now)).Seconds()), maxRetryAfter)
}

// nextHeartbeatDelay returns the seconds until the next heartbeat, without the random part.
func (t *receivedToken) nextHeartbeatDelay(now float64) float64 {
	interval := t.claims.heartbeatInterval
	if t.nextHeartbeatAt != nil {
		if delay := *t.nextHeartbeatAt - now; delay >= 1 && delay <= 2*interval {
			return delay
		}
	}
	return interval
}
