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
	errNotJWT     = errors.New("not a JWT in compact form")
	errInvalidJWT = errors.New("not a valid JWT")
	errSignature  = errors.New("the signature is not valid")
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

// unverifiedJWT is a JWT in compact form, of which only the form was checked.
type unverifiedJWT struct {
	header    object
	kid       string // of the header, or empty
	input     string
	payload   []byte
	signature []byte
}

// parseJWT checks that a text has three parts in base64url, and that the first one is a JSON object.
func parseJWT(text string) (*unverifiedJWT, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errNotJWT
	}
	decoded, errHeader := base64url.DecodeString(parts[0])
	payload, errPayload := base64url.DecodeString(parts[1])
	signature, errSignature := base64url.DecodeString(parts[2])
	header := parseObject(decoded)
	if header == nil || errHeader != nil || errPayload != nil || errSignature != nil {
		return nil, errNotJWT
	}
	kid, _ := header.text("kid")
	return &unverifiedJWT{header: header, kid: kid, input: parts[0] + "." + parts[1], payload: payload, signature: signature}, nil
}

// isOfType returns whether the header has the algorithm RS256, the type, a kid, and no critical parameters.
func (j *unverifiedJWT) isOfType(typ string) bool {
	alg, _ := j.header.text("alg")
	headerType, _ := j.header.text("typ")
	_, isCritical := j.header["crit"]
	return alg == "RS256" && headerType == typ && j.kid != "" && !isCritical
}

// verify returns the claims. The error is errSignature if the key did not make the signature.
func (j *unverifiedJWT) verify(key *rsa.PublicKey) (object, error) {
	digest := sha256.Sum256([]byte(j.input))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], j.signature) != nil {
		return nil, errSignature
	}
	claims := parseObject(j.payload)
	if claims == nil {
		return nil, errInvalidJWT
	}
	return claims, nil
}
