package signet

import (
	"fmt"
	"strings"
)

// diagnose returns lines of text for support, without secrets.
func (c *core) diagnose() string {
	state := c.state()
	lines := []string{
		"client: signet-client-go " + Version,
		"product: " + c.verifier.product,
		"issuer: " + c.verifier.issuer,
		"machine id: " + c.identity.machineID + suffix(c.identity.isEphemeral, " (ephemeral)"),
		"instance id: " + orNone(c.identity.instanceID),
		"state: " + state.String(),
	}
	lines = append(lines, c.diagnoseToken()...)
	lines = append(lines, c.diagnoseRequests()...)
	return strings.Join(append(lines, c.diagnoseStorage()...), "\n") + "\n"
}

func (c *core) diagnoseToken() []string {
	switch {
	case c.token == nil:
		return []string{"token: none"}
	case c.claims == nil:
		return []string{"token: stored, but not valid for this product, machine and key set"}
	}
	return []string{
		"token: from " + map[bool]string{true: "a license file", false: "the API"}[c.token.file != nil],
		"token signed at: " + unixText(c.claims.issuedAt),
		"token expires at: " + unixText(c.claims.expiresAt),
		"may run offline until: " + unixText(c.claims.offlineUntil),
		"next heartbeat at: " + unixText(c.token.NextHeartbeatAt),
	}
}

func (c *core) diagnoseRequests() []string {
	next := "none"
	if at, ok := c.nextDue(); ok {
		next = unixText(at)
	}
	return []string{
		"last contact: " + unixText(c.lastContact),
		"last failure: " + orNone(c.lastFailure),
		fmt.Sprintf("failures since the last contact: %d", c.schedule.failures),
		"next request: " + next,
	}
}

func (c *core) diagnoseStorage() []string {
	keys := "none"
	if c.keys != nil {
		keys = fmt.Sprintf("signed at %s, %.0f hours ago", unixText(c.keys.issuedAt), (c.clock.time-c.keys.issuedAt)/hour)
	}
	stored := []string{}
	for _, name := range []string{tokenFile, keysFile, refusalFile, clockFile, licenseKeyFile} {
		if c.records.read(name) != "" {
			_, isInMemory := c.records.memory[name]
			stored = append(stored, name+suffix(isInMemory, " (in memory)"))
		}
	}
	return []string{
		"key set: " + keys,
		fmt.Sprintf("clock: %s, wall clock %s, behind %.0f s, set back %.0f s", unixText(c.clock.time), unixText(c.wall()), c.clock.behind, c.clock.setBack),
		"storage: " + describeStorage(c.records.storage),
		"stored: " + orNone(strings.Join(stored, ", ")),
	}
}

// describeStorage returns the folder. What a storage of the app contains may be secret.
func describeStorage(storage Storage) string {
	if folder, ok := storage.(*FolderStorage); ok {
		return folder.path
	}
	return "of the app"
}

// unixText formats Unix seconds; 0 is never.
func unixText(seconds float64) string {
	if seconds == 0 {
		return "none"
	}
	return rfc3339(fromUnix(seconds))
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func suffix(isPresent bool, text string) string {
	if isPresent {
		return text
	}
	return ""
}
