package signet

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math"
	"strings"
)

const (
	tokenType  = "license+jwt"
	keySetType = "jwk-set+jwt"
)

// unsignedKeySet is what the messages of errors say of a key set of another installation.
const unsignedKeySet = "key set is not signed by a root key of the configuration"

var (
	errUnknownKey     = errors.New("the signing key is unknown")
	errUnsignedKeySet = errors.New("the " + unsignedKeySet)
	errClaims         = errors.New("the claims are not those of this app and machine")
)

// verifier verifies tokens and key sets with what is built into the app and with the identity of the machine.
type verifier struct {
	issuer     string
	product    string
	rootKeys   map[string]*rsa.PublicKey // by thumbprint
	machineID  string
	instanceID string
}

// of returns a copy that verifies the tokens of a machine and process.
func (v verifier) of(id identity) *verifier {
	v.machineID, v.instanceID = id.machineID, id.instanceID
	return &v
}

// keySet is a verified signed key set.
type keySet struct {
	issuedAt  float64
	expiresAt float64
	keys      map[string]*rsa.PublicKey // by kid
}

// has returns whether the set contains the key. A nil set contains none.
func (s *keySet) has(kid string) bool { return s != nil && s.keys[kid] != nil }

// claims are the claims of a verified token that the client uses. Times are Unix seconds.
type claims struct {
	kid               string
	product           string // aud
	machineID         string
	instanceID        string // or empty
	issuedAt          float64
	notBefore         float64
	expiresAt         float64
	offlineUntil      float64
	heartbeatInterval float64
	features          map[string]bool
	limits            map[string]int64
	activationID      string
	licenseID         string // sub, or empty
	tierCode          string // or empty
}

// keySet verifies a signed key set. It does not compare times. The error is errUnsignedKeySet if the text is a JWT that no root
// key signed.
func (v *verifier) keySet(text string) (*keySet, error) {
	jwt, err := parseJWT(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	rootKey := v.rootKeys[jwt.kid]
	if rootKey == nil {
		return nil, errUnsignedKeySet
	}
	content, err := jwt.verify(rootKey)
	if errors.Is(err, errSignature) {
		return nil, errUnsignedKeySet
	}
	if err != nil || !jwt.isOfType(keySetType) {
		return nil, errInvalidJWT
	}
	issuer, _ := content.text("iss")
	subject, _ := content.text("sub")
	issuedAt, hasIssuedAt := content.number("iat")
	expiresAt, hasExpiresAt := content.number("exp")
	var jwks []JWK
	if issuer != v.issuer || subject != v.issuer || !hasIssuedAt || !hasExpiresAt || json.Unmarshal(content["keys"], &jwks) != nil {
		return nil, errClaims
	}
	set := &keySet{issuedAt: issuedAt, expiresAt: expiresAt, keys: map[string]*rsa.PublicKey{}}
	for _, jwk := range jwks {
		if key, err := jwk.publicKey(); err == nil && jwk.Kid != "" {
			set.keys[jwk.Kid] = key
		}
	}
	return set, nil
}

// token verifies a license token for this product, machine and process. It does not compare times.
func (v *verifier) token(text string, keys *keySet) (*claims, error) {
	claims, err := v.signedToken(text, keys)
	if err != nil {
		return nil, err
	}
	if claims.product != v.product || !v.isForThisProcess(claims) {
		return nil, errClaims
	}
	return claims, nil
}

// signedToken verifies a license token of this issuer, which may be for another product, machine or process. It does not compare
// times. The error is errUnknownKey if the key set does not contain the signing key.
func (v *verifier) signedToken(text string, keys *keySet) (*claims, error) {
	jwt, err := parseJWT(text)
	if err != nil {
		return nil, err
	}
	if !jwt.isOfType(tokenType) {
		return nil, errInvalidJWT
	}
	if !keys.has(jwt.kid) {
		return nil, errUnknownKey
	}
	content, err := jwt.verify(keys.keys[jwt.kid])
	if err != nil {
		return nil, err
	}
	if issuer, _ := content.text("iss"); issuer != v.issuer {
		return nil, errClaims
	}
	return parseClaims(content, jwt.kid)
}

// isForThisProcess returns whether a token is for this machine, and for this process if processes hold the seats.
func (v *verifier) isForThisProcess(c *claims) bool {
	return c.machineID == v.machineID && c.instanceID == v.instanceID
}

// parseClaims decodes the claims of a token, and fails if a required one is missing.
func parseClaims(content object, kid string) (*claims, error) {
	enforcement, activation := content.object("enforcement"), content.object("activation")
	issuedAt, ok1 := content.number("iat")
	notBefore, ok2 := content.number("nbf")
	expiresAt, ok3 := content.number("exp")
	offlineUntil, ok4 := enforcement.number("offline_until")
	interval, ok5 := enforcement.number("heartbeat_interval_seconds")
	activationID, ok6 := activation.text("id")
	machineID, ok7 := activation.text("machine_id")
	product, ok8 := content.text("aud")
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 || !ok8 {
		return nil, errClaims
	}
	instanceID, _ := activation.text("instance_id")
	licenseID, _ := content.text("sub")
	tierCode, _ := content.object("tier").text("code")
	return &claims{
		kid:               kid,
		product:           product,
		machineID:         machineID,
		instanceID:        instanceID,
		issuedAt:          issuedAt,
		notBefore:         notBefore,
		expiresAt:         expiresAt,
		offlineUntil:      offlineUntil,
		heartbeatInterval: max(1, interval),
		features:          parseFeatures(content["features"]),
		limits:            parseLimits(content.object("feature_limits")),
		activationID:      activationID,
		licenseID:         licenseID,
		tierCode:          tierCode,
	}, nil
}

func parseFeatures(data json.RawMessage) map[string]bool {
	var names []string
	features := map[string]bool{}
	if json.Unmarshal(data, &names) == nil {
		for _, name := range names {
			features[name] = true
		}
	}
	return features
}

// parseLimits returns the limits by feature. Null is unlimited; a value of another type counts as not granted.
func parseLimits(fields object) map[string]int64 {
	limits := map[string]int64{}
	for name, data := range fields {
		var limit *float64
		if json.Unmarshal(data, &limit) != nil {
			continue
		}
		if limit == nil || *limit >= math.MaxInt64 {
			limits[name] = Unlimited
		} else {
			limits[name] = int64(*limit)
		}
	}
	return limits
}
