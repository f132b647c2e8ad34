package signet

import "errors"

const (
	licenseFileFormat = "signet-license/1"
	// maxLicenseFileSeconds is how long the key set of a license file verifies its token, from the iat of the set: 400 days.
	maxLicenseFileSeconds = 400 * 86400
)

var errLicenseFile = errors.New("not a license file for this app and machine")

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
		return nil, errLicenseFile
	}
	return &licenseFile{issuer, product, token, signedKeySet}, nil
}

// licenseFile verifies the token of a license file at the time now with the key set of the file. It does not compare the times
// of the token.
func (v *verifier) licenseFile(file *licenseFile, now float64) (*claims, error) {
	if file.issuer != v.issuer || file.product != v.product {
		return nil, errLicenseFile
	}
	keys, err := v.keySet(file.signedKeySet)
	if err != nil {
		return nil, err
	}
	if now > keys.issuedAt+maxLicenseFileSeconds {
		return nil, errLicenseFile
	}
	return v.token(file.token, keys)
}
