package signet

import (
	"encoding/json"
	"math"
	"time"
)

// object is a JSON object whose fields are decoded one by one: names are case-sensitive, and a field of another type
// counts as absent.
type object map[string]json.RawMessage

// parseObject returns nil if data is not a JSON object.
func parseObject(data []byte) object {
	var o object
	if json.Unmarshal(data, &o) != nil {
		return nil
	}
	return o
}

func (o object) text(name string) (string, bool) {
	var value *string
	if json.Unmarshal(o[name], &value) != nil || value == nil {
		return "", false
	}
	return *value, true
}

// maxNumber is larger than every Unix time that makes sense.
const maxNumber = 1e12

func (o object) number(name string) (float64, bool) {
	var value *float64
	if json.Unmarshal(o[name], &value) != nil || value == nil || math.Abs(*value) > maxNumber {
		return 0, false
	}
	return *value, true
}

// optionalNumber returns nil for a field that is null, absent, or not a number.
func (o object) optionalNumber(name string) *float64 {
	if value, ok := o.number(name); ok {
		return &value
	}
	return nil
}

func (o object) isTrue(name string) bool {
	var value bool
	return json.Unmarshal(o[name], &value) == nil && value
}

func (o object) object(name string) object { return parseObject(o[name]) }

// time returns the Unix seconds of an RFC 3339 time, or nil if there is none.
func (o object) time(name string) *float64 {
	text, _ := o.text(name)
	value, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	seconds := math.Floor(float64(value.UnixMilli()) / 1e3)
	return &seconds
}
