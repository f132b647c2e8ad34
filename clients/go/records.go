package signet

import (
	"encoding/json"
	"math"
	"strings"
)

// Names of the stored files.
const (
	tokenFile      = "token.json"
	keysFile       = "keys.jwt"
	refusalFile    = "refusal.json"
	clockFile      = "clock.json"
	licenseKeyFile = "license-key"
)

// Storage keeps small named values, such as [FolderStorage] does. A write must replace the value atomically if several
// processes share the storage.
type Storage interface {
	// Read returns a value. Every error means that there is none.
	Read(name string) ([]byte, error)
	// Write replaces a value.
	Write(name string, data []byte) error
	// Remove removes a value. It succeeds if there is none.
	Remove(name string) error
}

// records reads and writes the stored values. A value that cannot be written is kept in memory, and is not read from the
// storage any more.
type records struct {
	storage    Storage
	memoryOnly map[string]bool    // names that are never stored
	memory     map[string]*string // values that are not read from the storage; nil is absent
}

func newRecords(storage Storage, memoryOnly ...string) *records {
	r := &records{storage: storage, memoryOnly: map[string]bool{}, memory: map[string]*string{}}
	for _, name := range memoryOnly {
		r.memoryOnly[name] = true
		r.memory[name] = nil
	}
	return r
}

// read returns the empty text for an absent value.
func (r *records) read(name string) string {
	if text, ok := r.memory[name]; ok {
		if text == nil {
			return ""
		}
		return *text
	}
	data, err := r.storage.Read(name)
	if err != nil {
		return ""
	}
	return string(data)
}

func (r *records) write(name, text string) {
	_, isKept := r.memory[name]
	isUnwritten := r.memoryOnly[name] || r.storage.Write(name, []byte(text)) != nil
	if isKept || isUnwritten {
		r.memory[name] = &text
	}
}

func (r *records) writeJSON(name string, value any) {
	data, _ := json.Marshal(value)
	r.write(name, string(data))
}

func (r *records) remove(name string) {
	_, isKept := r.memory[name]
	isUnwritten := r.memoryOnly[name] || r.storage.Remove(name) != nil
	if isKept || isUnwritten {
		r.memory[name] = nil
	}
}

// unwritten returns the names of the values that could not be written.
func (r *records) unwritten() []string {
	var names []string
	for _, name := range []string{tokenFile, keysFile, refusalFile, clockFile, licenseKeyFile} {
		if _, isInMemory := r.memory[name]; isInMemory && !r.memoryOnly[name] {
			names = append(names, name)
		}
	}
	return names
}

// storedToken is the content of token.json.
type storedToken struct {
	Text            string   `json:"token"`
	NextHeartbeatAt float64  `json:"next_heartbeat_at"`
	InGrace         bool     `json:"in_grace"`
	GraceEndsAt     *float64 `json:"grace_ends_at"`
	LicenseFile     *string  `json:"license_file"`

	kid  string       // of the signing key
	file *licenseFile // if the token is from one
}

// token returns nil if none is stored. The token was not verified.
func (r *records) token() *storedToken {
	fields := parseObject([]byte(r.read(tokenFile)))
	text, ok1 := fields.text("token")
	next, ok2 := fields.number("next_heartbeat_at")
	jwt, err := parseJWT(text)
	if !ok1 || !ok2 || err != nil || !jwt.isOfType(tokenType) {
		return nil
	}
	token := &storedToken{Text: text, NextHeartbeatAt: next, InGrace: fields.isTrue("in_grace"), GraceEndsAt: fields.optionalNumber("grace_ends_at"), kid: jwt.kid}
	if fileText, ok := fields.text("license_file"); ok {
		token.LicenseFile = &fileText
		if file, err := parseLicenseFile(fileText); err == nil && file.token == text {
			token.file = file
		}
	}
	return token
}

// refusal is the content of refusal.json.
type refusal struct {
	ID      string   `json:"id"`
	Code    string   `json:"code"`
	At      float64  `json:"at"`
	RetryAt *float64 `json:"retry_at"`
}

// refusal returns nil if none is stored.
func (r *records) refusal() *refusal {
	fields := parseObject([]byte(r.read(refusalFile)))
	id, ok1 := fields.text("id")
	code, ok2 := fields.text("code")
	at, ok3 := fields.number("at")
	if !ok1 || !ok2 || !ok3 {
		return nil
	}
	return &refusal{ID: id, Code: code, At: at, RetryAt: fields.optionalNumber("retry_at")}
}

// id returns the id of the refusal, and the empty text for nil.
func (r *refusal) id() string {
	if r == nil {
		return ""
	}
	return r.ID
}

// failure returns the refusal as the error of an operation.
func (r *refusal) failure(what string) *Error {
	return newError(r.Code, what+": the API has refused the license")
}

// clock returns false if none is stored.
func (r *records) clock() (clockRecord, bool) {
	fields := parseObject([]byte(r.read(clockFile)))
	lastSeen, ok1 := fields.number("last_seen")
	behind, ok2 := fields.number("behind")
	setBack, ok3 := fields.number("set_back")
	reference, ok4 := fields.number("reference")
	record := clockRecord{LastSeen: lastSeen, Behind: behind, SetBack: max(0, setBack), Reference: math.Floor(reference)}
	return record, ok1 && ok2 && ok3 && ok4
}

// licenseKey returns the empty text if none is stored.
func (r *records) licenseKey() string { return strings.TrimSpace(r.read(licenseKeyFile)) }
