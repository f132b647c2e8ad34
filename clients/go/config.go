package signet

import (
	"crypto/rsa"
	"encoding/json"
	"net"
	"net/url"
	"strings"
)

// Config is the content of signet-app.json: what is built into an app.
type Config struct {
	// APIURL is the base URL of the API. The default is Issuer.
	APIURL string `json:"api_url,omitempty"`
	// Issuer is the URL of the installation, the iss of its tokens.
	Issuer string `json:"issuer"`
	// Product is the code of the product.
	Product string `json:"product"`
	// RootKeys are the public keys that sign key sets.
	RootKeys []JWK `json:"root_keys"`
}

// ParseConfig decodes the text of signet-app.json. Unknown fields are ignored. The error has the code [CodeInvalidConfig].
func ParseConfig(data []byte) (Config, error) {
	var config Config
	if err := json.Unmarshal(data, &config); err != nil {
		return Config{}, causedError(CodeInvalidConfig, "the app file is not valid JSON", err)
	}
	return config, nil
}

// verifier returns a verifier for the product, without the identity of the machine, or an error if the configuration is not
// valid.
func (c Config) verifier() (*verifier, error) {
	if c.Product == "" {
		return nil, newError(CodeInvalidConfig, "product is missing")
	}
	if c.Issuer == "" {
		return nil, newError(CodeInvalidConfig, "issuer is missing")
	}
	rootKeys := map[string]*rsa.PublicKey{}
	for _, jwk := range c.RootKeys {
		key, err := jwk.publicKey()
		if err != nil {
			return nil, newError(CodeInvalidConfig, "root_keys must contain only RSA public keys for RS256 of at least 2048 bits")
		}
		rootKeys[jwk.thumbprint()] = key
	}
	if len(rootKeys) == 0 {
		return nil, newError(CodeInvalidConfig, "root_keys is missing")
	}
	return &verifier{issuer: c.Issuer, product: c.Product, rootKeys: rootKeys}, nil
}

// baseURL returns the URL of the API without a slash at its end. It must be https, or http on a loopback host.
func (c Config) baseURL() (string, error) {
	text := c.APIURL
	if text == "" {
		text = c.Issuer
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.User != nil || strings.ContainsAny(text, "?#") {
		return "", newError(CodeInvalidConfig, "api_url must be an absolute URL without credentials, query and fragment")
	}
	if parsed.Scheme != "https" && !(parsed.Scheme == "http" && isLoopback(parsed.Hostname())) {
		return "", newError(CodeInvalidConfig, "api_url must be https, or http on a loopback host")
	}
	return strings.TrimRight(text, "/"), nil
}

func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}
