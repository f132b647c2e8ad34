package signet

import (
	"fmt"
	"math"
	"runtime"
	"strings"
)

const noneSinceStart = "none since the start"

// diagnose returns lines of text for support, without secrets. They are the same in all languages.
func (c *core) diagnose() string {
	state := c.state()
	lines := []string{
		"client: signet-client-go " + Version + ", " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		"product: " + c.verifier.product,
		"issuer: " + c.verifier.issuer,
		"api url: " + c.apiURL,
		"machine id: " + c.identity.machineID + suffix(c.identity.isEphemeral, " (ephemeral)"),
	}
	if c.identity.instanceID != "" {
		lines = append(lines, "instance id: "+c.identity.instanceID)
	}
	lines = append(lines,
		"state: "+state.String(),
		"license: "+c.describeLicense(),
		"token: "+c.describeToken(),
		"license key: "+suffix(c.licenseKey == "", "not ")+"stored",
		"next request: "+c.describeNext(),
		"last contact: "+unixText(c.lastContact, noneSinceStart),
		"last failure: "+orElse(c.lastFailure, noneSinceStart),
		"key set: "+c.describeKeys(),
		"clock: "+c.clock.describe(),
		"storage: "+c.describeStorage(),
	)
	return strings.Join(lines, "\n") + "\n"
}

func (c *core) describeLicense() string {
	if c.claims == nil {
		return "none"
	}
	return orElse(c.claims.licenseID, "unknown") + ", tier " + orElse(c.claims.tierCode, "unknown")
}

func (c *core) describeToken() string {
	if c.claims == nil {
		return "none"
	}
	times := []any{rfc3339(fromUnix(c.claims.issuedAt)), rfc3339(fromUnix(c.claims.expiresAt)), rfc3339(fromUnix(c.claims.offlineUntil))}
	return fmt.Sprintf("issued %s, exp %s, offline until %s", times...) + suffix(c.token.file != nil, ", from a license file")
}

func (c *core) describeNext() string {
	at, isAny := c.nextDue()
	if !isAny {
		return "none"
	}
	return rfc3339(fromUnix(max(at, c.clock.time)))
}

func (c *core) describeKeys() string {
	if c.keys == nil {
		return "none"
	}
	days := math.Floor(max(0, c.clock.time-c.keys.issuedAt) / day)
	return fmt.Sprintf("issued %s, %.0f days old", rfc3339(fromUnix(c.keys.issuedAt)), days)
}

func (c *clock) describe() string {
	return fmt.Sprintf("%s, behind %d s, set back %d s, reference %s", rfc3339(fromUnix(c.time)), int64(math.Round(c.behind)), int64(math.Round(c.setBack)), unixText(c.reference, "none"))
}

// describeStorage returns the folder, and which files could not be written. What a storage of the app contains may be secret.
func (c *core) describeStorage() string {
	text := "of the app"
	if folder, ok := c.records.storage.(*FolderStorage); ok {
		text = orElse(folder.path, "none")
	}
	unwritten := c.records.unwritten()
	return text + suffix(len(unwritten) > 0, ", not writable: "+strings.Join(unwritten, ", "))
}

// unixText formats Unix seconds. 0 is not set.
func unixText(seconds float64, otherwise string) string {
	if seconds == 0 {
		return otherwise
	}
	return rfc3339(fromUnix(seconds))
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
