package signet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var background = context.Background()

func TestActivateStoresALicenseThatTheNextOpenReads(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	folder := t.TempDir() + "/license"
	license := api.open(t, func(o *Options) { o.Folder = folder })
	state, err := license.Activate(background, testLicenseKey)
	if err != nil || state.Name != Active || !license.Has("export.pdf") || license.Limit("export.rows") != 1000 || license.Limit("projects") != Unlimited {
		t.Fatal(state, err)
	}
	equal(t, "activate", "requests", strings.Join(api.received(), ", "),
		activatePath+" signet-client-go/0.1.0 test/1, "+keysPath+" signet-client-go/0.1.0 test/1")
	_ = license.Close()
	equal(t, "the next open", "state", api.open(t, func(o *Options) { o.Folder = folder }).State().Name, Active)
}

func TestBackgroundTaskActivatesWithTheStoredLicenseKey(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	folder := t.TempDir()
	if err := NewFolderStorage(folder).Write(licenseKeyFile, []byte(testLicenseKey)); err != nil {
		t.Fatal(err)
	}
	license := api.open(t, func(o *Options) { o.Folder = folder })
	changes := make(chan State, 1)
	license.OnChange(func(state State) { changes <- state })
	select {
	case state := <-changes:
		equal(t, "change", "state", state.Name, Active)
	case <-time.After(20 * time.Second):
		t.Fatal("no change")
	}
}

func TestCallbackIsCalledWhenATokenEnds(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.lifetime = 2
	license := api.open(t, nil)
	changes := make(chan State, 2)
	license.OnChange(func(state State) { changes <- state })
	if _, err := license.Activate(background, testLicenseKey); err != nil {
		t.Fatal(err)
	}
	for _, name := range []StateName{Active, Offline} {
		select {
		case state := <-changes:
			equal(t, "change", "state", state.Name, name)
		case <-time.After(20 * time.Second):
			t.Fatal("no change to", name)
		}
	}
}

func TestCallbackThatPanicsIsIgnored(t *testing.T) {
	t.Parallel()
	license := newFakeAPI(t).open(t, nil)
	var states []State
	license.OnChange(func(State) { panic("in the app") })
	license.OnChange(func(state State) { states = append(states, state) })
	if _, err := license.Activate(background, testLicenseKey); err != nil {
		t.Fatal(err)
	}
	if err := license.Deactivate(background); err != nil {
		t.Fatal(err)
	}
	equal(t, "changes", "number of states", len(states), 2)
}

func TestCallbackIsNotCalledAfterClose(t *testing.T) {
	t.Parallel()
	license := newFakeAPI(t).open(t, func(o *Options) { o.InstanceID = "worker-1" })
	var names []StateName
	license.OnChange(func(state State) {
		names = append(names, state.Name)
		_ = license.Close()
	})
	license.OnChange(func(state State) { t.Error("called after Close with", state) })
	if _, err := license.Activate(background, testLicenseKey); err != nil {
		t.Fatal(err)
	}
	equal(t, "close", "state", license.State(), State{Name: Unactivated, HasLicenseKey: true, Reason: notContacted})
	equal(t, "callback", "states", fmt.Sprint(names), "[Active]")
}

func TestCallbackMayWaitForAnotherGoroutine(t *testing.T) {
	t.Parallel()
	license := newFakeAPI(t).open(t, nil)
	var names []StateName
	license.OnChange(func(state State) {
		names = append(names, state.Name)
		if state.MayRun() {
			done := make(chan error)
			go func() { done <- license.Deactivate(background) }()
			equal(t, "deactivate", "error", <-done, nil)
		}
	})
	if _, err := license.Activate(background, testLicenseKey); err != nil {
		t.Fatal(err)
	}
	equal(t, "callback", "states", fmt.Sprint(names), "[Active Unactivated]")
}

func TestCallbackMayCallEveryMethod(t *testing.T) {
	t.Parallel()
	license := newFakeAPI(t).open(t, nil)
	var names []StateName
	license.OnChange(func(state State) {
		names = append(names, state.Name, license.State().Name)
		if state.MayRun() {
			_ = license.Deactivate(background)
		} else {
			_ = license.Close()
		}
	})
	if _, err := license.Activate(background, testLicenseKey); err != nil {
		t.Fatal(err)
	}
	equal(t, "callback", "states", fmt.Sprint(names), "[Active Active Unactivated Unactivated]")
}

func TestCloseFreesTheSeatOfAProcess(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	license := api.open(t, func(o *Options) { o.InstanceID = "worker-1" })
	if _, err := license.Activate(background, testLicenseKey); err != nil {
		t.Fatal(err)
	}
	_ = license.Close()
	requests := api.received()
	if last := requests[len(requests)-1]; !strings.HasPrefix(last, "/api/v1.0/license-activations/act_1/deactivate") {
		t.Fatal(last)
	}
	equal(t, "closed", "state", license.State().Name, Unactivated)
	_, err := license.Activate(background, testLicenseKey)
	equal(t, "closed", "error", codeOf(err), CodeClosed)
	_ = license.Close()
}

func TestBackgroundTaskDoesNotActivateAfterRelease(t *testing.T) {
	t.Parallel()
	license := newFakeAPI(t).open(t, nil)
	if _, err := license.Activate(background, testLicenseKey); err != nil {
		t.Fatal(err)
	}
	if err := license.Release(background); err != nil {
		t.Fatal(err)
	}
	license.core.mu.Lock()
	defer license.core.mu.Unlock()
	if at, ok := license.core.nextDue(); ok {
		t.Fatal("a request is due at", at)
	}
}

func TestCloseEndsRequestsAndGoroutines(t *testing.T) {
	server := newSilentServer(t)
	license, err := Open(Config{Issuer: "http://" + server, Product: "atlas", RootKeys: []JWK{jwkOf(rootKey())}}, Options{Folder: t.TempDir(), MachineID: "machine-1"})
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		_, err := license.Activate(background, testLicenseKey)
		result <- err
	}()
	eventually(t, "the request is on its way", func() bool { return len(license.operations) == 1 })
	_ = license.Close()
	equal(t, "activate", "error", codeOf(<-result), CodeClosed)
	if text := license.Diagnose(); !strings.Contains(text, "last failure: none since the start\n") {
		t.Error("a request that was canceled is a failure in", text)
	}
	eventually(t, "no goroutine is left", func() bool {
		var stacks bytes.Buffer
		buffer := make([]byte, 1<<20)
		stacks.Write(buffer[:runtime.Stack(buffer, true)])
		return !strings.Contains(stacks.String(), fmt.Sprintf("(*License).background(%p", license))
	})
}

func TestActivateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	license, err := Open(Config{Issuer: "http://" + newSilentServer(t), Product: "atlas", RootKeys: []JWK{jwkOf(rootKey())}}, Options{Folder: t.TempDir(), MachineID: "machine-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer license.Close()
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	_, err = license.Activate(ctx, testLicenseKey)
	if codeOf(err) != CodeUnreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	license := api.open(t, nil)
	var group sync.WaitGroup
	for i := 0; i < 8; i++ {
		group.Add(2)
		go func() {
			defer group.Done()
			_, _ = license.Activate(background, testLicenseKey)
		}()
		go func() {
			defer group.Done()
			_ = license.State()
			_ = license.Has("export.pdf")
			_, _ = license.ImportLicenseFile([]byte("{}"))
			_ = license.Diagnose()
		}()
	}
	group.Wait()
	equal(t, "after all", "state", license.State().Name, Active)
}

func TestTextsContainNoSecrets(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	license := api.open(t, nil)
	if _, err := license.Activate(background, testLicenseKey); err != nil {
		t.Fatal(err)
	}
	api.refuse("revoked")
	_, err := license.Borrow(background, time.Now().Add(time.Hour))
	equal(t, "borrow", "error", codeOf(err), "revoked")
	texts := fmt.Sprintf("%v %+v %#v %s %v %s", license, license, license, license.Diagnose(), err, license.State())
	for _, secret := range append(api.tokens, testLicenseKey) {
		if strings.Contains(texts, secret) {
			t.Fatal("a secret is in ", texts)
		}
	}
}

func TestOpenRefusesInvalidConfigurations(t *testing.T) {
	t.Parallel()
	valid := Config{Issuer: "https://licenses.example.com", Product: "atlas", RootKeys: []JWK{jwkOf(rootKey())}}
	for name, change := range map[string]func(*Config, *Options){
		"without a root key": func(c *Config, _ *Options) { c.RootKeys = nil },
		"one key is none":    func(c *Config, _ *Options) { c.RootKeys = append(c.RootKeys, JWK{Kty: "RSA", E: "AQAB"}) },
		"without a product":  func(c *Config, _ *Options) { c.Product = "" },
		"without an issuer":  func(c *Config, _ *Options) { c.Issuer = "" },
		"http":               func(c *Config, _ *Options) { c.APIURL = "http://licenses.example.com" },
		"http of the issuer": func(c *Config, _ *Options) { c.Issuer = "http://licenses.example.com" },
		"another scheme":     func(c *Config, _ *Options) { c.APIURL = "ftp://localhost" },
		"credentials":        func(c *Config, _ *Options) { c.APIURL = "https://a:b@licenses.example.com" },
		"a query":            func(c *Config, _ *Options) { c.APIURL = "https://licenses.example.com/?" },
		"a fragment":         func(c *Config, _ *Options) { c.APIURL = "https://licenses.example.com/#" },
	} {
		config, options := valid, Options{Folder: t.TempDir(), MachineID: "machine-1"}
		change(&config, &options)
		_, err := Open(config, options)
		equal(t, name, "error", codeOf(err), CodeInvalidConfig)
	}
	for _, url := range []string{"http://localhost:8080", "http://127.0.0.1:1/", "http://[::1]:1", "https://licenses.example.com/base"} {
		config := valid
		config.APIURL = url
		if _, err := config.baseURL(); err != nil {
			t.Error(url, err)
		}
	}
	_, err := ParseConfig([]byte("{"))
	equal(t, "not JSON", "error", codeOf(err), CodeInvalidConfig)
}

func TestOpenRefusesInvalidOptions(t *testing.T) {
	t.Parallel()
	config := Config{Issuer: "https://licenses.example.com", Product: "atlas", RootKeys: []JWK{jwkOf(rootKey())}}
	for name, invalid := range map[string][]Options{
		"MachineID":           {{MachineID: strings.Repeat("m", 257)}, {MachineID: "a\nb"}, {MachineID: "a\x7f"}, {MachineID: "a\u0085"}, {MachineID: "\xff"}},
		"InstanceID":          {{InstanceID: strings.Repeat("i", 65)}, {InstanceID: "a\x00"}, {InstanceID: "\xff"}, {MachineID: strings.Repeat("m", 200), InstanceID: strings.Repeat("i", 57)}},
		"ProxyURL":            {{ProxyURL: "::"}, {ProxyURL: "proxy.example.com:3128"}, {ProxyURL: "http://"}, {ProxyURL: "http://:3128"}, {ProxyURL: "ftp://proxy.example.com"}},
		"ConnectTimeout":      {{ConnectTimeout: -1}},
		"Timeout":             {{Timeout: -time.Second}},
		"ExtraCACertificates": {{ExtraCACertificates: []byte{}}, {ExtraCACertificates: []byte("x")}, {ExtraCACertificates: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}},
		"UserAgentSuffix":     {{UserAgentSuffix: "atlas/1\r\nX: 1"}},
	} {
		for _, options := range invalid {
			options.Folder = t.TempDir()
			_, err := Open(config, options)
			if codeOf(err) != CodeInvalidConfig || !strings.Contains(err.Error(), "the option "+name+" must ") {
				t.Error(name, err)
			}
		}
	}
	for _, options := range []Options{
		{MachineID: strings.Repeat("m", 256)},
		{MachineID: strings.Repeat("m", 192), InstanceID: strings.Repeat("i", 64)},
		{MachineID: "Zoë’s laptop", ProxyURL: "https://ada:secret@proxy.example.com"},
		{MachineID: "m", ProxyURL: "socks5://127.0.0.1:1080"},
	} {
		equal(t, "allowed", "error", options.check() == nil, true)
	}
}

func TestTextsAboutTheMachineAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 60)
	id := Options{MachineID: "m", MachineName: " Build\t7\u200b ", OS: long, AppVersion: "1.0\n" + long, Hostname: long}.identity("atlas")
	equal(t, "machine name", "text", id.machineName, "Build7")
	equal(t, "os", "text", id.os, strings.Repeat("é", 32))
	equal(t, "app version", "text", id.appVersion, "1.0"+strings.Repeat("é", 14))
	equal(t, "hostname", "text", id.hostname, strings.Repeat("é", 32))
}

func TestBorrowRefusesTimesThatAreNotInTheFuture(t *testing.T) {
	t.Parallel()
	license := newFakeAPI(t).open(t, nil)
	for _, until := range []time.Time{{}, time.Now(), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, err := license.Borrow(background, until)
		equal(t, until.String(), "error", codeOf(err), CodeInvalidValue)
	}
}

func TestImportReadsALicenseFileWithAByteOrderMark(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	license := api.open(t, nil)
	file, _ := json.Marshal(map[string]any{"format": licenseFileFormat, "issuer": api.URL, "product": "atlas", "token": api.token("machine-1", ""), "signed_jwks": signedKeySet(api.URL, now())})
	state, err := license.ImportLicenseFile(append([]byte{0xef, 0xbb, 0xbf}, file...))
	if err != nil || state.Name != Active {
		t.Fatal(state, err)
	}
}

// The tests start themselves again as an app: see TestMain.
const appVariable = "SIGNET_TEST_APP"

func TestMain(m *testing.M) {
	if os.Getenv(appVariable) != "" {
		runApp()
		return
	}
	os.Exit(m.Run())
}

// runApp opens a license, of which a request is on its way, and ends.
func runApp() {
	license, err := Open(Config{Issuer: os.Getenv(appVariable), Product: "atlas", RootKeys: []JWK{jwkOf(rootKey())}}, Options{Folder: os.Getenv("SIGNET_TEST_FOLDER"), MachineID: "machine-1"})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(background, 200*time.Millisecond)
	defer cancel()
	_, err = license.Activate(ctx, testLicenseKey)
	fmt.Println(codeOf(err))
}

func appCommand(t *testing.T, issuer string, environment ...string) *exec.Cmd {
	command := exec.Command(os.Args[0])
	// The race detector delays the exit by a second, in which the background task could send a request.
	command.Env = append(os.Environ(), appVariable+"="+issuer, "SIGNET_TEST_FOLDER="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
	command.Env = append(command.Env, environment...)
	return command
}

func TestProcessExitsWhileTheBackgroundTaskRuns(t *testing.T) {
	t.Parallel()
	start := time.Now()
	output, err := appCommand(t, "http://"+newSilentServer(t)).Output()
	if err != nil || strings.TrimSpace(string(output)) != CodeUnreachable || time.Since(start) > 10*time.Second {
		t.Fatal(err, string(output), time.Since(start))
	}
}

func codeOf(err error) string {
	var failure *Error
	if errors.As(err, &failure) {
		return failure.Code
	}
	return fmt.Sprint(err)
}
