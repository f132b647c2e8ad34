package signet

// Codes of errors that do not come from the API. All other codes are those of the API, such as "seat_limit_reached".
const (
	// CodeUnreachable means that the API was not reached, or did not answer as the API does.
	CodeUnreachable = "unreachable"
	// CodeNotActivated means that the machine holds no seat.
	CodeNotActivated = "not_activated"
	// CodeInvalidValue means that an argument is not allowed, such as the time of Borrow. The API uses it, too.
	CodeInvalidValue = "invalid_value"
	// CodeWrongProduct means that the license key is one of another product.
	CodeWrongProduct = "wrong_product"
	// CodeEphemeralMachineID means that the machine id is random, so that a license file or a borrowed seat would end with the
	// process: set [Options.MachineID].
	CodeEphemeralMachineID = "ephemeral_machine_id"
	// CodeLicenseFileInvalid means that a license file is damaged, has ended, is older than the present license, or is
	// for another issuer, product or machine. The message says which.
	CodeLicenseFileInvalid = "license_file_invalid"
	// CodeInvalidConfig means that the configuration or an option cannot be used.
	CodeInvalidConfig = "invalid_config"
	// CodeClosed means that the license was closed.
	CodeClosed = "closed"
)

// Error is the type of every error of this package. It contains no license key and no token.
type Error struct {
	// Code is stable: decide by it.
	Code string
	// Message is one line in English for logs and support: what failed, and why. It may change.
	Message string

	cause error
}

// Error returns the code and the message.
func (e *Error) Error() string { return "signet: " + e.Code + ": " + e.Message }

// Unwrap returns the cause, such as an error of the network or of a context, or nil.
func (e *Error) Unwrap() error { return e.cause }

func newError(code, message string) *Error { return &Error{Code: code, Message: message} }

// causedError returns an error whose message ends with that of its cause.
func causedError(code, message string, cause error) *Error {
	return &Error{Code: code, Message: message + ": " + oneLine(cause.Error(), maxMessageRunes), cause: cause}
}
