package signet

import (
	"errors"
	"fmt"
)

const (
	licenseFileFormat = "signet-license/1"
	// maxLicenseFileSeconds is how long the key set of a license file verifies its token, from the iat of the set: 400 days.
	maxLicenseFileSeconds = 400 * 86400
)

// Why a license file is not imported, for the messages of errors. Clients of all languages say the same.
var (
	errNotLicenseFile   = errors.New("it is not a license file")
	errFileKeySet       = errors.New("its " + unsignedKeySet)
	errFileToken        = errors.New("its token is not valid")
	errFileOtherMachine = errors.New("it is for another machine")
	errFileOlder        = errors.New("it is older than the present token")
)

// licenseFile is the content of a license file, which was not verified.
type licenseFile struct {
	issuer, product, token, signedKeySet string
}

func parseLicenseFile(text string) (*licenseFile, error) {
	fields := parseObject([]byte(text))
	format, _ := fields.text("format")
	issuer, ok1 := fields.text("issuer")
	product, ok2 := fields.text("product")
	token, ok3 := fields.text("token")
	signedKeySet, ok4 := fields.text("signed_jwks")
	if format != licenseFileFormat || !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, errNotLicenseFile
	}
	return &licenseFile{issuer, product, token, signedKeySet}, nil
}

// licenseFile verifies the token of a license file at the time now with the key set of the file. It does not compare the times
// of the token. The error says why the file is not imported.
func (v *verifier) licenseFile(file *licenseFile, now float64) (*claims, error) {
	keys, err := v.keySet(file.signedKeySet)
	if errors.Is(err, errUnsignedKeySet) || errors.Is(err, errNotJWT) {
		return nil, errFileKeySet
	}
	if err != nil || file.issuer != v.issuer || now > keys.issuedAt+maxLicenseFileSeconds {
		return nil, errFileToken
	}
	claims, err := v.signedToken(file.token, keys)
	if err != nil {
		return nil, errFileToken
	}
	product := claims.product
	if product == v.product {
		product = file.product
	}
	switch {
	case product != v.product:
		return nil, fmt.Errorf("it is for the product %s", quoteProduct(product))
	case !v.isForThisProcess(claims):
		return nil, errFileOtherMachine
	default:
		return claims, nil
	}
}
