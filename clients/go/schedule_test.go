package signet

import (
	"encoding/json"
	"testing"
	"time"
)

func TestBackgroundTaskSleepsUntilARequestIsDueOrTheTokenHasEnded(t *testing.T) {
	t.Parallel()
	const (
		start        = 1_800_000_000
		exp          = start + hour
		offlineUntil = exp + 3*day
		keysDue      = start + 5*day
	)
	token := sign(signingKey(), tokenType, map[string]any{
		"iss": "https://licenses.example.com", "aud": "atlas", "iat": start, "nbf": start, "exp": exp,
		"enforcement": map[string]any{"heartbeat_interval_seconds": 900, "offline_until": offlineUntil},
		"activation":  map[string]any{"id": "act_1", "machine_id": "machine-1"},
	})
	record, _ := json.Marshal(storedToken{Text: token, NextHeartbeatAt: start + 30*day})
	now := float64(start)
	stored := &memoryStorage{values: map[string]string{tokenFile: string(record), keysFile: signedKeySet("https://licenses.example.com", keysDue-day)}}
	config := Config{Issuer: "https://licenses.example.com", Product: "atlas", RootKeys: []JWK{jwkOf(rootKey())}}
	verifier, err := config.verifier()
	if err != nil {
		t.Fatal(err)
	}
	id := identity{machineID: "machine-1"}
	zero := func() float64 { return 0 }
	c := newCore(ports{wall: func() float64 { return now }, monotonic: zero, random: zero, storage: stored}, verifier.of(id), id, true)
	for _, at := range []struct {
		time  float64
		sleep time.Duration
	}{
		{start, time.Minute},
		{exp - 10, 11 * time.Second},
		{exp + 0.5, 500 * time.Millisecond},
		{exp + 0.9999, time.Millisecond},
		{exp + 1, time.Minute},
		{offlineUntil - 10, 11 * time.Second},
		{offlineUntil + 1, time.Minute},
		{keysDue - 30, 30 * time.Second},
		{keysDue + 10, time.Second},
	} {
		now = at.time
		c.observe()
		equal(t, time.Unix(int64(at.time), 0).UTC().String(), "sleep", c.untilNextRun(), at.sleep)
	}
}
