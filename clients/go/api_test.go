package signet

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

const testLicenseKey = "ATLAS-7K3QM-9V2XD-H4T8N-B6RZP-3WJ5C-FPZ08"

var (
	rootKey    = sync.OnceValue(generateKey)
	signingKey = sync.OnceValue(generateKey)
)

// fakeAPI answers activations, heartbeats and deactivations as the API does.
type fakeAPI struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // paths and user agents
	refusal  string   // code with which activations and heartbeats are refused
	lifetime int64    // seconds until the exp of tokens; 0 is an hour
	tokens   []string
}

func newFakeAPI(t *testing.T) *fakeAPI {
	api := &fakeAPI{}
	api.Server = httptest.NewUnstartedServer(api)
	api.Start()
	t.Cleanup(api.Close)
	return api
}

func newFakeTLSAPI(t *testing.T) *fakeAPI {
	api := &fakeAPI{}
	api.Server = httptest.NewUnstartedServer(api)
	api.Config.ErrorLog = quietLog
	api.StartTLS()
	t.Cleanup(api.Close)
	return api
}

func (a *fakeAPI) config() Config {
	return Config{Issuer: a.URL, Product: "atlas", RootKeys: []JWK{jwkOf(rootKey())}}
}

func (a *fakeAPI) options(t *testing.T) Options {
	return Options{Folder: t.TempDir() + "/license", MachineID: "machine-1", UserAgentSuffix: "test/1"}
}

func (a *fakeAPI) open(t *testing.T, change func(*Options)) *License {
	t.Helper()
	options := a.options(t)
	if change != nil {
		change(&options)
	}
	license, err := Open(a.config(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = license.Close() })
	return license
}

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r.URL.Path+" "+r.UserAgent())
	var body struct {
		MachineID  string `json:"machine_id"`
		InstanceID string `json:"instance_id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	switch {
	case r.URL.Path == keysPath:
		_, _ = w.Write([]byte(signedKeySet(a.URL, now())))
	case a.refusal != "":
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": a.refusal})
	case r.URL.Path == activatePath || r.URL.Path == heartbeatPath:
		token := a.token(body.MachineID, body.InstanceID)
		a.tokens = append(a.tokens, token)
		_ = json.NewEncoder(w).Encode(map[string]any{"token": token})
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "deactivated"})
	}
}

func (a *fakeAPI) token(machineID, instanceID string) string {
	activation := map[string]any{"id": "act_1", "machine_id": machineID}
	if instanceID != "" {
		activation["instance_id"] = instanceID
	}
	lifetime := cmp.Or(a.lifetime, hour)
	return sign(signingKey(), tokenType, map[string]any{
		"iss": a.URL, "aud": "atlas", "iat": now(), "nbf": now(), "exp": now() + lifetime,
		"features": []string{"export.pdf"}, "feature_limits": map[string]any{"export.rows": 1000, "projects": nil},
		"enforcement": map[string]any{"heartbeat_interval_seconds": 900, "offline_until": now() + day},
		"activation":  activation,
	})
}

func (a *fakeAPI) refuse(code string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusal = code
}

func (a *fakeAPI) received() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.requests...)
}

func signedKeySet(issuer string, issuedAt int64) string {
	return sign(rootKey(), keySetType, map[string]any{"iss": issuer, "sub": issuer, "iat": issuedAt, "exp": issuedAt + 7*day, "keys": []JWK{jwkOf(signingKey())}})
}

func now() int64 { return time.Now().Unix() }

func generateKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, minKeyBits)
	if err != nil {
		panic(err)
	}
	return key
}

func jwkOf(key *rsa.PrivateKey) JWK {
	jwk := JWK{Kty: "RSA", N: base64url.EncodeToString(key.N.Bytes()), E: base64url.EncodeToString(big.NewInt(int64(key.E)).Bytes()), Alg: "RS256", Use: "sig"}
	jwk.Kid = jwk.thumbprint()
	return jwk
}

func sign(key *rsa.PrivateKey, typ string, claims map[string]any) string {
	header, _ := json.Marshal(map[string]string{"alg": "RS256", "typ": typ, "kid": jwkOf(key).Kid})
	payload, _ := json.Marshal(claims)
	input := base64url.EncodeToString(header) + "." + base64url.EncodeToString(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return input + "." + base64url.EncodeToString(signature)
}

// eventually waits until a condition is true.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}
