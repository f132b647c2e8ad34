package signet

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessageRunes limits each text of a response in a message.
	maxMessageRunes = 300
	// maxProductRunes limits the code of another product in a message.
	maxProductRunes = 100
	// minSecretRunes is the length from which a text is a secret: shorter ones occur in other words.
	minSecretRunes = 8
)

// secrets are the license keys and tokens that a text of a response may contain, the longest first.
type secrets []string

func newSecrets(texts ...string) secrets {
	known := slices.DeleteFunc(texts, func(text string) bool { return utf8.RuneCountInString(text) < minSecretRunes })
	slices.SortFunc(known, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return known
}

// redact returns a text with "…" in place of each secret.
func (s secrets) redact(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, "…")
	}
	return text
}

// line returns a text of a response for a message: one line without secrets.
func (s secrets) line(text string) string { return oneLine(s.redact(text), maxMessageRunes) }

// quoteProduct returns the code of another product for a message.
func quoteProduct(code string) string { return `"` + oneLine(code, maxProductRunes) + `"` }

// isCode returns whether a text has the form of the codes of the API, which cannot contain a secret.
func isCode(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// oneLine returns a text for a message, with at most maxRunes characters, and spaces instead of control characters.
func oneLine(text string, maxRunes int) string {
	var line strings.Builder
	count := 0
	for _, r := range text {
		if count == maxRunes {
			break
		}
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
			r = ' '
		}
		line.WriteRune(r)
		count++
	}
	return line.String()
}

// cut returns a text without control and invisible characters, cut to a number of bytes.
func cut(text string, maxBytes int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point) {
			return -1
		}
		return r
	}, text))
	for len(text) > maxBytes {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return strings.TrimSpace(text)
}

// isID returns whether a text can be the id of a machine or a process.
func isID(text string, maxBytes int) bool {
	return text != "" && len(text) <= maxBytes && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
