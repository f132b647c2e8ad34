package signet

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

var quietLog = log.New(io.Discard, "", 0)

// newSilentServer accepts connections, and never answers.
func newSilentServer(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = connection.Close() })
		}
	}()
	return listener.Addr().String()
}

func get(t *testing.T, url string, options Options) (*response, error) {
	t.Helper()
	transport, err := newTransport(url, options)
	if err != nil {
		t.Fatal(err)
	}
	return transport.send(background, request{path: "/path"})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(w, r, "/other", http.StatusFound)
	}))
	defer server.Close()
	response, err := get(t, server.URL, Options{})
	if err != nil || response.status != http.StatusFound || requests != 1 {
		t.Fatal(response, err, requests)
	}
}

func TestResponseOfMoreThanAMegabyteIsAnError(t *testing.T) {
	t.Parallel()
	size := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", size))
	}))
	defer server.Close()
	size = maxResponseBytes
	if response, err := get(t, server.URL, Options{}); err != nil || len(response.body) != size {
		t.Fatal(err)
	}
	size = maxResponseBytes + 1
	if _, err := get(t, server.URL, Options{}); !errors.Is(err, errTooLarge) {
		t.Fatal(err)
	}
}

func TestResponseThatIsCutOffIsAnError(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"code": "revoked"}`)
	}))
	server.Config.ErrorLog = quietLog
	defer server.Close()
	if response, err := get(t, server.URL, Options{}); err == nil {
		t.Fatal(response)
	}
}

func TestSlowServerTimesOut(t *testing.T) {
	t.Parallel()
	_, err := get(t, "http://"+newSilentServer(t), Options{Timeout: 50 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestSlowBodyTimesOut(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{")
		w.(http.Flusher).Flush()
		<-end
	}))
	defer server.Close()
	defer close(end)
	if _, err := get(t, server.URL, Options{Timeout: 50 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestExtraCACertificatesAreTrusted(t *testing.T) {
	t.Parallel()
	api := newFakeTLSAPI(t)
	_, err := api.open(t, nil).Activate(background, testLicenseKey)
	equal(t, "without the certificate", "error", codeOf(err), CodeUnreachable)
	if !strings.Contains(err.Error(), "certificate signed by unknown authority") || !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Error(err)
	}
	_, err = api.open(t, func(o *Options) { o.ExtraCACertificates = certificateOf(api) }).Activate(background, testLicenseKey)
	equal(t, "with the certificate", "error", err, nil)
}

func certificateOf(api *fakeAPI) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
}

// fakeProxy forwards requests, with CONNECT and without, and notes their lines.
type fakeProxy struct {
	*httptest.Server
	mu    sync.Mutex
	lines []string
}

func newFakeProxy(t *testing.T) *fakeProxy {
	proxy := &fakeProxy{}
	proxy.Server = httptest.NewServer(proxy)
	t.Cleanup(proxy.Close)
	return proxy
}

func (p *fakeProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.lines = append(p.lines, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	if r.Method == http.MethodConnect {
		p.tunnel(w, r)
		return
	}
	r.RequestURI = ""
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func (p *fakeProxy) tunnel(w http.ResponseWriter, r *http.Request) {
	server, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(server, buffered) }()
	_, _ = io.Copy(client, server)
}

func (p *fakeProxy) received() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, ", ")
}

func TestProxyWithoutConnect(t *testing.T) {
	t.Parallel()
	api, proxy := newFakeAPI(t), newFakeProxy(t)
	_, err := api.open(t, func(o *Options) { o.ProxyURL = proxy.URL }).Activate(background, testLicenseKey)
	equal(t, "activate", "error", err, nil)
	equal(t, "proxy", "requests", proxy.received(), "POST "+api.URL+activatePath+" , GET "+api.URL+keysPath+" ")
}

func TestProxyWithConnectAndCredentials(t *testing.T) {
	t.Parallel()
	api, proxy := newFakeTLSAPI(t), newFakeProxy(t)
	_, err := api.open(t, func(o *Options) {
		o.ProxyURL = strings.Replace(proxy.URL, "http://", "http://ada:secret@", 1)
		o.ExtraCACertificates = certificateOf(api)
	}).Activate(background, testLicenseKey)
	equal(t, "activate", "error", err, nil)
	line := "CONNECT " + strings.TrimPrefix(api.URL, "https://") + " Basic YWRhOnNlY3JldA=="
	equal(t, "proxy", "requests", proxy.received(), line+", "+line)
}

func TestErrorsDoNotContainTheCredentialsOfAProxy(t *testing.T) {
	t.Parallel()
	for _, proxy := range []string{"http://ada:secret@127.0.0.1:1", "http://ada:secret@[::"} {
		license, err := Open(Config{Issuer: "https://licenses.invalid", Product: "atlas", RootKeys: []JWK{jwkOf(rootKey())}}, Options{Folder: t.TempDir(), MachineID: "machine-1", ProxyURL: proxy})
		if err == nil {
			_, err = license.Activate(background, testLicenseKey)
			_ = license.Close()
		}
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Fatal(err)
		}
	}
}

func TestProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{"HTTPS_PROXY", "https_proxy"} {
		proxy := newFakeProxy(t)
		if output, err := appCommand(t, "https://licenses.invalid", variable+"="+proxy.URL).CombinedOutput(); err != nil {
			t.Fatal(string(output), err)
		}
		equal(t, variable, "requests", proxy.received(), "CONNECT licenses.invalid:443 ")
		if output, err := appCommand(t, "https://licenses.invalid", variable+"="+proxy.URL, "NO_PROXY=licenses.invalid").CombinedOutput(); err != nil {
			t.Fatal(string(output), err)
		}
		equal(t, variable+" with NO_PROXY", "requests", proxy.received(), "CONNECT licenses.invalid:443 ")
	}
}

func TestProxyOfTheEnvironmentIsNotUsedForALoopbackHost(t *testing.T) {
	t.Parallel()
	api, proxy := newFakeAPI(t), newFakeProxy(t)
	if output, err := appCommand(t, api.URL, "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL).CombinedOutput(); err != nil {
		t.Fatal(string(output), err)
	}
	equal(t, "proxy", "requests", proxy.received(), "")
	equal(t, "api", "is reached", len(api.received()) > 0, true)
}
