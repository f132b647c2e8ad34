package signet

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessageRunes limits each text of a response in a message.
const maxMessageRunes = 300

// oneLine returns a text for a message: at most 300 characters, with spaces instead of control characters.
func oneLine(text string) string {
	var line strings.Builder
	count := 0
	for _, r := range text {
		if count == maxMessageRunes {
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
