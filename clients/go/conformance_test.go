package signet

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const conformanceFolder = "../conformance"

type scenario struct {
	Name    string
	Why     string
	Options struct {
		InstanceID     string `json:"instance_id"`
		MachineName    string `json:"machine_name"`
		AppVersion     string `json:"app_version"`
		OS             string `json:"os"`
		Hostname       string
		KeepLicenseKey *bool `json:"keep_license_key"`
		Ephemeral      bool
		ReadOnly       bool `json:"read_only"`
	}
	Storage map[string]string
	Start   float64
	Random  float64
	Steps   []step
}

type step struct {
	Do         string
	Client     string
	Seconds    float64
	LicenseKey string `json:"license_key"`
	Until      int64
	File       string
	Feature    string
	Contains   []string
	Excludes   []string

	Responses []serverResponse
	Requests  []map[string]any
	State     map[string]any
	Next      json.RawMessage
	Error     string
	Message   []string
	NoMessage []string `json:"message_excludes"`
	Result    any
	Changes   *[]map[string]any
	Storage   map[string]any
}

type serverResponse struct {
	Status     int
	Headers    map[string]string
	Body       any
	Fault      string
	Concurrent map[string]*string `json:"during"`
}

// world is what the clients of a scenario share: clocks, a storage, and a server.
type world struct {
	scenario  *scenario
	wall      float64
	monotonic float64
	stored    memoryStorage
	responses []serverResponse
	requests  []map[string]any
	clients   map[string]*core
}

func TestConformance(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(conformanceFolder, "scenarios", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	count := 0
	for _, file := range files {
		var scenarios []*scenario
		readJSON(t, file, &scenarios)
		for _, scenario := range scenarios {
			count++
			t.Run(strings.TrimSuffix(filepath.Base(file), ".json")+"/"+scenario.Name, func(t *testing.T) {
				t.Parallel()
				scenario.play(t)
			})
		}
	}
	fmt.Printf("%d scenarios\n", count)
}

func (s *scenario) play(t *testing.T) {
	w := &world{scenario: s, wall: s.Start, stored: memoryStorage{values: map[string]string{}, isReadOnly: s.Options.ReadOnly}, clients: map[string]*core{}}
	for name, text := range s.Storage {
		w.stored.values[name] = text
	}
	for i, step := range s.Steps {
		name := step.Client
		if name == "" {
			name = "a"
		}
		at := fmt.Sprintf("step %d, %s", i, step.Do)
		w.responses, w.requests = step.Responses, nil
		if step.Do == "open" {
			w.clients[name] = w.open(t)
		}
		client := w.clients[name]
		var changes []any
		if client != nil {
			client.mu.Lock()
		}
		result, err := w.perform(client, step)
		if client != nil && isOperation(step.Do) {
			if state, isChange := client.change(); isChange {
				changes = append(changes, stateFields(state))
			}
		}
		w.check(t, at, client, step, result, err, changes)
		if client != nil {
			client.mu.Unlock()
		}
		if t.Failed() {
			t.Fatalf("%s: %s (%s)", at, s.Name, s.Why)
		}
	}
}

// isOperation returns whether callbacks are called after a step. License.Close ends them.
func isOperation(do string) bool {
	switch do {
	case "run", "activate", "deactivate", "release", "refresh", "borrow", "import_license_file":
		return true
	}
	return false
}

func (w *world) open(t *testing.T) *core {
	config, machineID := conformanceConfig(t)
	verifier, err := config.verifier()
	if err != nil {
		t.Fatal(err)
	}
	options := w.scenario.Options
	id := Options{
		MachineID: machineID, InstanceID: options.InstanceID, AppVersion: options.AppVersion, Hostname: options.Hostname,
		MachineName: options.MachineName, OmitMachineName: options.MachineName == "",
		OS: options.OS, OmitOS: options.OS == "",
	}.identity(config.Product)
	id.isEphemeral = options.Ephemeral
	p := ports{
		wall:      func() float64 { return w.wall },
		monotonic: func() float64 { return w.monotonic },
		random:    func() float64 { return w.scenario.Random },
		send:      w.send,
		storage:   &w.stored,
		apiURL:    config.APIURL,
	}
	return newCore(p, verifier.of(id), id, options.KeepLicenseKey == nil || *options.KeepLicenseKey)
}

func (w *world) send(_ context.Context, r request) (*response, error) {
	fields := map[string]any{"method": "GET", "path": r.path}
	if r.body != nil {
		fields["method"], fields["body"] = "POST", jsonValue(r.body)
	}
	w.requests = append(w.requests, fields)
	if len(w.responses) == 0 {
		return nil, errors.New("no response is left")
	}
	next := w.responses[0]
	w.responses = w.responses[1:]
	for name, text := range next.Concurrent {
		if text == nil {
			delete(w.stored.values, name)
		} else {
			w.stored.values[name] = *text
		}
	}
	if next.Fault != "" {
		return nil, errors.New("fault: " + next.Fault)
	}
	body, isText := next.Body.(string)
	if !isText {
		data, _ := json.Marshal(next.Body)
		body = string(data)
	}
	return &response{status: next.Status, contentType: next.Headers["content-type"], retryAfter: next.Headers["retry-after"], body: []byte(body)}, nil
}

func (w *world) perform(c *core, s step) (any, error) {
	ctx := context.Background()
	switch s.Do {
	case "open", "restart", "state":
	case "run":
		c.run(ctx)
	case "advance":
		w.wall += s.Seconds
		w.monotonic += s.Seconds
	case "set_clock":
		w.wall += s.Seconds
	case "activate":
		return nil, c.activate(ctx, s.LicenseKey)
	case "deactivate":
		return nil, c.deactivate(ctx)
	case "release":
		c.release(ctx)
	case "refresh":
		c.refresh(ctx)
	case "close":
		c.close(ctx)
	case "borrow":
		return nil, c.borrow(ctx, time.Unix(s.Until, 0))
	case "import_license_file":
		return nil, c.importLicenseFile(s.File)
	case "offline_request":
		text, err := c.offlineRequest()
		if err != nil {
			return nil, err
		}
		data, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, "signet-request/1:"))
		return jsonValue(json.RawMessage(data)), err
	case "has":
		return c.has(s.Feature), nil
	case "limit":
		if limit := c.limit(s.Feature); limit != Unlimited {
			return float64(limit), nil
		}
		return "unlimited", nil
	case "diagnose":
		return c.diagnose(), nil
	default:
		return nil, fmt.Errorf("unknown step %q", s.Do)
	}
	return nil, nil
}

func (w *world) check(t *testing.T, at string, c *core, s step, result any, err error, changes []any) {
	t.Helper()
	code := ""
	if failure := (*Error)(nil); errors.As(err, &failure) {
		code = failure.Code
	} else if err != nil {
		t.Errorf("%s: %v", at, err)
	}
	equal(t, at, "error", code, s.Error)
	checkMessage(t, at, s, err)
	equal(t, at, "responses that are left", len(w.responses), 0)
	equal(t, at, "requests", anySlice(w.requests), anySlice(s.Requests))
	if s.State != nil {
		equal(t, at, "state", stateFields(c.state()), any(s.State))
	}
	if s.Next != nil {
		checkNext(t, at, c, s.Next)
	}
	if s.Changes != nil {
		equal(t, at, "changes", anySlice(changes), anySlice(*s.Changes))
	}
	if s.Result != nil {
		equal(t, at, "result", result, s.Result)
	}
	text, _ := result.(string)
	for _, part := range s.Contains {
		equal(t, at, "text contains "+part, strings.Contains(text, part), true)
	}
	for _, part := range s.Excludes {
		equal(t, at, "text contains "+part, strings.Contains(text, part), false)
	}
	for name, expected := range s.Storage {
		w.checkStored(t, at, name, expected)
	}
}

// checkMessage compares the text of an error, which has one line, no license key and no token.
func checkMessage(t *testing.T, at string, s step, err error) {
	t.Helper()
	message := ""
	if err != nil {
		message = err.Error()
	}
	for _, part := range s.Message {
		equal(t, at, fmt.Sprintf("message %q contains %q", message, part), strings.Contains(message, part), true)
	}
	for _, part := range append([]string{"\r", "\n", "ATLAS-", "eyJ"}, s.NoMessage...) {
		equal(t, at, fmt.Sprintf("message %q contains %q", message, part), strings.Contains(message, part), false)
	}
}

func checkNext(t *testing.T, at string, c *core, expected json.RawMessage) {
	t.Helper()
	c.observe()
	next, any := c.nextDue()
	if string(expected) == "null" {
		if any {
			t.Errorf("%s: next is in %v s, expected none", at, next-c.clock.time)
		}
		return
	}
	var seconds float64
	_ = json.Unmarshal(expected, &seconds)
	actual := max(0, next-c.clock.time)
	if !any || math.Abs(actual-seconds) > 1 {
		t.Errorf("%s: next is in %v s (%v), expected %v", at, actual, any, seconds)
	}
}

func (w *world) checkStored(t *testing.T, at, name string, expected any) {
	t.Helper()
	text, isStored := w.stored.values[name]
	switch expected := expected.(type) {
	case nil:
		equal(t, at, name+" is stored", isStored, false)
	case string:
		equal(t, at, name, text, expected)
	case map[string]any:
		var fields map[string]any
		if json.Unmarshal([]byte(text), &fields) != nil {
			t.Errorf("%s: %s is %q", at, name, text)
		}
		for field, value := range expected {
			equal(t, at, name+"."+field, fields[field], value)
		}
	}
}

// stateFields returns a state as it is written in scenarios.
func stateFields(s State) any {
	fields := map[string]any{"state": string(s.Name)}
	switch s.Name {
	case Active:
		fields["until"], fields["in_grace"], fields["grace_ends_at"] = unixOrNil(s.Until), s.InGrace, unixOrNil(s.GraceEndsAt)
	case Offline:
		fields["until"], fields["reason"] = unixOrNil(s.Until), s.Reason
	case Expired:
		fields["since"] = unixOrNil(s.Since)
	case Unactivated:
		fields["has_license_key"], fields["reason"] = s.HasLicenseKey, textOrNil(s.Reason)
	case Refused:
		fields["code"], fields["retry_at"] = s.Code, unixOrNil(s.RetryAt)
	}
	return fields
}

func textOrNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func unixOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return float64(t.Unix())
}

func conformanceConfig(t testing.TB) (Config, string) {
	data, err := os.ReadFile(filepath.Join(conformanceFolder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	machineID, _ := parseObject(data).text("machine_id")
	return config, machineID
}

func readJSON(t testing.TB, path string, value any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func jsonValue(value any) any {
	data, _ := json.Marshal(value)
	var decoded any
	_ = json.Unmarshal(data, &decoded)
	return decoded
}

func anySlice[T any](values []T) []any {
	result := []any{}
	for _, value := range values {
		result = append(result, any(value))
	}
	return result
}

func equal(t testing.TB, at, what string, actual, expected any) {
	t.Helper()
	if !reflect.DeepEqual(actual, expected) {
		t.Errorf("%s: %s is %v, expected %v", at, what, actual, expected)
	}
}

// memoryStorage is a storage in memory, of which writes can fail.
type memoryStorage struct {
	values     map[string]string
	isReadOnly bool
}

func (s *memoryStorage) Read(name string) ([]byte, error) {
	text, ok := s.values[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return []byte(text), nil
}

func (s *memoryStorage) Write(name string, data []byte) error {
	if s.isReadOnly {
		return os.ErrPermission
	}
	s.values[name] = string(data)
	return nil
}

func (s *memoryStorage) Remove(name string) error {
	if s.isReadOnly {
		return os.ErrPermission
	}
	delete(s.values, name)
	return nil
}
