package signet

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
)

// JWK is an RSA public key as in RFC 7517. Other members of a JWK are not needed.
type JWK struct {
	Kty string `json:"kty"`
	N   string `json:"n"`
	E   string `json:"e"`
	Kid string `json:"kid,omitempty"`
	Alg string `json:"alg,omitempty"`
	Use string `json:"use,omitempty"`
}

const minKeyBits = 2048

var (
	errInvalidJWS = errors.New("not a valid JWS")
	errInvalidKey = errors.New("not an RSA key for RS256 of at least 2048 bits")
	base64url     = base64.RawURLEncoding.Strict()
)

// publicKey returns the key, or an error if it is not one that verifies RS256.
func (k JWK) publicKey() (*rsa.PublicKey, error) {
	n, errN := base64url.DecodeString(k.N)
	e, errE := base64url.DecodeString(k.E)
	if k.Kty != "RSA" || errN != nil || errE != nil || len(e) > 4 || (k.Alg != "" && k.Alg != "RS256") || (k.Use != "" && k.Use != "sig") {
		return nil, errInvalidKey
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if key.N.BitLen() < minKeyBits || key.E < 3 || key.E%2 == 0 {
		return nil, errInvalidKey
	}
	return key, nil
}

// thumbprint returns the RFC 7638 thumbprint of the key.
func (k JWK) thumbprint() string {
	required, _ := json.Marshal(struct {
		E   string `json:"e"`
		Kty string `json:"kty"`
		N   string `json:"n"`
	}{k.E, k.Kty, k.N})
	digest := sha256.Sum256(required)
	return base64url.EncodeToString(digest[:])
}

// jws is a compact JWS whose header was checked and whose signature was not.
type jws struct {
	kid       string
	input     string
	payload   string
	signature []byte
}

// parseJWS checks that the header has the algorithm RS256, the type, a kid, and no critical parameters.
func parseJWS(text, typ string) (*jws, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errInvalidJWS
	}
	decoded, errHeader := base64url.DecodeString(parts[0])
	signature, errSignature := base64url.DecodeString(parts[2])
	header := parseObject(decoded)
	alg, _ := header.text("alg")
	headerType, _ := header.text("typ")
	kid, _ := header.text("kid")
	_, isCritical := header["crit"]
	if errHeader != nil || errSignature != nil || alg != "RS256" || headerType != typ || kid == "" || isCritical {
		return nil, errInvalidJWS
	}
	return &jws{kid: kid, input: parts[0] + "." + parts[1], payload: parts[1], signature: signature}, nil
}

// verify returns the claims if the key made the signature.
func (j *jws) verify(key *rsa.PublicKey) (object, error) {
	digest := sha256.Sum256([]byte(j.input))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], j.signature) != nil {
		return nil, errInvalidJWS
	}
	payload, err := base64url.DecodeString(j.payload)
	claims := parseObject(payload)
	if err != nil || claims == nil {
		return nil, errInvalidJWS
	}
	return claims, nil
}
