package signet

import (
	"strings"
	"testing"
)

func TestSecretsOfAResponseAreNotShown(t *testing.T) {
	t.Parallel()
	s := newSecrets("secret", "", "eyJhbGci", testLicenseKey)
	for text, shown := range map[string]string{
		"no secret":                               "no secret",
		"bad eyJhbGci\nor " + testLicenseKey:      "bad … or …",
		strings.Repeat("x", 299) + testLicenseKey: strings.Repeat("x", 299) + "…",
	} {
		equal(t, text, "line", s.line(text), shown)
	}
}

func TestCodeOfAProblemIsShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	for code, shown := range map[string]string{
		"rate_limited":                "rate_limited",
		"not\n" + testLicenseKey:      "not …",
		"not_valid_" + testLicenseKey: "not_valid_…",
	} {
		body := []byte(`{"code": "` + strings.ReplaceAll(code, "\n", `\n`) + `"}`)
		r := &response{status: 429, contentType: "application/problem+json", body: body}
		err := interpretFailure(r, nil, 0, newSecrets("limit", testLicenseKey)).failure(activationFailed)
		equal(t, code, "code", err.Code, shown)
		equal(t, code, "lines", strings.Contains(err.Error(), "\n"), false)
	}
}
