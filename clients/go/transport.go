package signet

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	defaultConnectTimeout = 10 * time.Second
	defaultTimeout        = 30 * time.Second
	maxResponseBytes      = 1_000_000
)

var errTooLarge = errors.New("the response is larger than 1 MB")

// httpTransport sends requests to the API.
type httpTransport struct {
	client    *http.Client
	baseURL   string
	userAgent string
	timeout   time.Duration
}

// newTransport returns a transport for options that were checked, or an error if their certificates cannot be read.
func newTransport(baseURL string, options Options) (*httpTransport, error) {
	roots, err := options.rootCAs()
	if err != nil {
		return nil, err
	}
	connectTimeout := orDefault(options.ConnectTimeout, defaultConnectTimeout)
	return &httpTransport{
		client: &http.Client{
			// Requests are minutes apart: a kept connection would be closed, and a goroutine would wait for it.
			Transport: &http.Transport{
				Proxy:               options.proxy(),
				DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
				TLSHandshakeTimeout: connectTimeout,
				TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				DisableKeepAlives:   true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		baseURL:   baseURL,
		userAgent: userAgent(options.UserAgentSuffix),
		timeout:   orDefault(options.Timeout, defaultTimeout),
	}, nil
}

// send returns a complete response, or the error of the network.
func (t *httpTransport) send(ctx context.Context, r request) (*response, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	method, content := http.MethodGet, []byte(nil)
	if r.body != nil {
		var err error
		if content, err = json.Marshal(r.body); err != nil {
			return nil, err
		}
		method = http.MethodPost
	}
	outgoing, err := http.NewRequestWithContext(ctx, method, t.baseURL+r.path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	outgoing.Header.Set("User-Agent", t.userAgent)
	if r.body != nil {
		outgoing.Header.Set("Content-Type", "application/json")
	}
	incoming, err := t.client.Do(outgoing)
	if err != nil {
		return nil, err
	}
	defer incoming.Body.Close()
	body, err := io.ReadAll(io.LimitReader(incoming.Body, maxResponseBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxResponseBytes {
		return nil, errTooLarge
	}
	return &response{
		status:      incoming.StatusCode,
		contentType: incoming.Header.Get("Content-Type"),
		retryAfter:  incoming.Header.Get("Retry-After"),
		body:        body,
	}, nil
}

// proxy returns the proxy of the options, and otherwise that of the environment.
func (o Options) proxy() func(*http.Request) (*url.URL, error) {
	if o.ProxyURL == "" {
		return http.ProxyFromEnvironment
	}
	parsed, err := url.Parse(o.ProxyURL)
	return func(*http.Request) (*url.URL, error) { return parsed, err }
}

// rootCAs returns nil, which means those of the system, or those of the system and the extra ones.
func (o Options) rootCAs() (*x509.CertPool, error) {
	if o.ExtraCACertificates == nil {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(o.ExtraCACertificates) {
		return nil, invalidOption("ExtraCACertificates must contain at least one certificate in PEM")
	}
	return pool, nil
}

func userAgent(suffix string) string {
	if suffix == "" {
		return "signet-client-go/" + Version
	}
	return "signet-client-go/" + Version + " " + suffix
}

func orDefault(value, defaultValue time.Duration) time.Duration {
	if value <= 0 {
		return defaultValue
	}
	return value
}
