package signet

import (
	"bytes"
	"context"
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
	if err := <-result; codeOf(err) != CodeUnreachable && codeOf(err) != CodeClosed {
		t.Fatal(err)
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
		"without a root key":         func(c *Config, _ *Options) { c.RootKeys = nil },
		"without a product":          func(c *Config, _ *Options) { c.Product = "" },
		"without an issuer":          func(c *Config, _ *Options) { c.Issuer = "" },
		"http":                       func(c *Config, _ *Options) { c.APIURL = "http://licenses.example.com" },
		"http of the issuer":         func(c *Config, _ *Options) { c.Issuer = "http://licenses.example.com" },
		"another scheme":             func(c *Config, _ *Options) { c.APIURL = "ftp://localhost" },
		"credentials":                func(c *Config, _ *Options) { c.APIURL = "https://a:b@licenses.example.com" },
		"a proxy that is none":       func(_ *Config, o *Options) { o.ProxyURL = "::" },
		"certificates that are none": func(_ *Config, o *Options) { o.ExtraCACertificates = []byte("x") },
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
