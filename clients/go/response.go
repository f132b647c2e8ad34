package signet

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// request is a request to the API. Without a body it is a GET, and otherwise a POST of JSON.
type request struct {
	path string
	body any
}

// response is a complete response of a server.
type response struct {
	status      int
	contentType string
	retryAfter  string
	body        []byte
}

const maxRetryAfter = 86400

// refusalCodes are the codes with which the API refuses an activation.
var refusalCodes = map[string]bool{
	"revoked": true, "superseded": true, "suspended": true, "expired": true, "product_inactive": true, "generation_outdated": true,
	"not_activated": true, "token_invalid": true, "machine_mismatch": true,
	"not_found": true, "seat_limit_reached": true,
}

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

	reason     string  // why the API counts as unreachable, as in State.Reason
	problem    string  // code of a problem with a 4xx status that is not a refusal, or empty
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

// interpret returns what a response to an activation or a heartbeat means at the time now. Either r or err is nil.
func interpret(r *response, err error, now float64) outcome {
	if err != nil {
		return outcome{reason: "network", cause: err}
	}
	if r.status == http.StatusOK || r.status == http.StatusCreated {
		body := parseObject(r.body)
		text, ok := body.text("token")
		if !ok {
			return r.unreachable("invalid_response", now)
		}
		return outcome{token: &receivedToken{text: text, nextHeartbeatAt: body.time("next_heartbeat_at"), inGrace: body.isTrue("in_grace"), graceEndsAt: body.time("grace_ends_at")}}
	}
	problem := r.problem()
	code, _ := problem.text("code")
	result := r.unreachable(fmt.Sprintf("http_%d", r.status), now)
	switch {
	case !r.isClientError():
	case refusalCodes[code]:
		result.refusal = code
	default:
		result.problem = code
	}
	if result.refusal == "seat_limit_reached" {
		result.retryAt = problem.time("retry_at")
	}
	return result
}

// forHeartbeat turns the refusals that do not end a license that was activated into an unreachable API.
func (o outcome) forHeartbeat() outcome {
	if o.refusal == "not_found" || o.refusal == "seat_limit_reached" {
		o.problem, o.refusal = o.refusal, ""
	}
	return o
}

// err returns the error of an operation, or nil if the outcome is a token.
func (o outcome) err() error {
	switch {
	case o.token != nil:
		return nil
	case o.refusal != "":
		return newError(o.refusal, "the API refused the license")
	case o.problem != "":
		return newError(o.problem, "the API refused the request")
	default:
		return &Error{Code: CodeUnreachable, Message: "no answer of the API (" + o.reason + ")", cause: o.cause}
	}
}

// isRequestRefused returns whether the API refused the request without saying something about the license: the same request
// will be refused again.
func (o outcome) isRequestRefused() bool {
	return o.problem != "" && o.status != http.StatusTooManyRequests
}

func (r *response) unreachable(reason string, now float64) outcome {
	return outcome{reason: reason, status: r.status, retryAfter: r.retryAfterSeconds(now)}
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
