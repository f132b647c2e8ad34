package signet

import (
	"fmt"
	"time"
)

// StateName is the name of a state of a license.
type StateName string

// The states of a license.
const (
	// Unactivated means that no token for this machine is stored.
	Unactivated StateName = "Unactivated"
	// Active means that the token is valid.
	Active StateName = "Active"
	// Offline means that the token could not be renewed. The app may run until [State.Until].
	Offline StateName = "Offline"
	// Expired means that the token could not be renewed in time. The next answer of the API makes it Active or Refused: call
	// Refresh, or wait for the background task.
	Expired StateName = "Expired"
	// Refused means that the API refused the license, for the reason in [State.Code].
	Refused StateName = "Refused"
	// ClockTampered means that the clock was set back by more than a day since the last contact with the API.
	ClockTampered StateName = "ClockTampered"
)

// State is the state of a license. Fields that do not belong to the state are zero. States can be compared with ==.
type State struct {
	// Name is the name of the state.
	Name StateName
	// HasLicenseKey is true in Unactivated if a license key is stored: the background task or Refresh activates. Ask for a
	// license key only if it is false.
	HasLicenseKey bool
	// Until is the end of an Active token, or the time until which the app may run Offline.
	Until time.Time
	// InGrace is true in Active while the license key has expired and is still honoured, until GraceEndsAt.
	InGrace bool
	// GraceEndsAt is the end of the grace in Active, or zero.
	GraceEndsAt time.Time
	// Reason says why an Offline license has no newer token, and why a stored license key has not activated yet in Unactivated:
	// not_contacted, network, invalid_response, or http_NNN.
	Reason string
	// Since is the time at which the license became Expired.
	Since time.Time
	// Code is the error code of the API in Refused, or [CodeWrongProduct].
	Code string
	// RetryAt is when a seat may become free, in Refused with the code seat_limit_reached, or zero.
	RetryAt time.Time
}

// MayRun returns whether the app may run: in Active and Offline.
func (s State) MayRun() bool { return s.Name == Active || s.Name == Offline }

// String describes the state in one line, as client libraries of other languages do. Times are in UTC.
func (s State) String() string {
	switch s.Name {
	case Unactivated:
		return string(s.Name) + suffix(s.HasLicenseKey, " (a license key is stored; "+s.Reason+")")
	case Active:
		grace := suffix(s.InGrace, ", in grace"+suffix(!s.GraceEndsAt.IsZero(), " until "+rfc3339(s.GraceEndsAt)))
		return fmt.Sprintf("%s until %s%s", s.Name, rfc3339(s.Until), grace)
	case Offline:
		return fmt.Sprintf("%s until %s (%s)", s.Name, rfc3339(s.Until), s.Reason)
	case Expired:
		return fmt.Sprintf("%s since %s", s.Name, rfc3339(s.Since))
	case Refused:
		return fmt.Sprintf("%s (%s)%s", s.Name, s.Code, suffix(!s.RetryAt.IsZero(), ", retry at "+rfc3339(s.RetryAt)))
	default:
		return string(s.Name)
	}
}

// isChangeFrom returns whether the app is to be notified: not if a renewed token alone moved the end of Active.
func (s State) isChangeFrom(before State) bool {
	if s.Name == Active && before.Name == Active {
		before.Until = s.Until
	}
	return s != before
}

// fromUnix converts Unix seconds.
func fromUnix(seconds float64) time.Time { return time.Unix(int64(seconds), 0).UTC() }

// fromOptionalUnix converts Unix seconds, and nil to the zero time.
func fromOptionalUnix(seconds *float64) time.Time {
	if seconds == nil {
		return time.Time{}
	}
	return fromUnix(*seconds)
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// suffix returns the text if a condition is true.
func suffix(isPresent bool, text string) string {
	if isPresent {
		return text
	}
	return ""
}
