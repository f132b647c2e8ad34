package signet

import (
	"net/url"
	"strings"
	"unicode"
)

const (
	// maxMachineIDBytes limits the machine id, and the machine id and the instance id together.
	maxMachineIDBytes  = 256
	maxInstanceIDBytes = 64
)

// check returns an error that names an option that cannot be used, and what is allowed.
func (o Options) check() error {
	switch {
	case o.MachineID != "" && !isID(o.MachineID, maxMachineIDBytes):
		return invalidOption("MachineID must be 1 to 256 bytes of UTF-8 without control characters")
	case o.InstanceID != "" && !isID(o.InstanceID, maxInstanceIDBytes):
		return invalidOption("InstanceID must be 1 to 64 bytes of UTF-8 without control characters")
	case len(o.MachineID)+len(o.InstanceID) > maxMachineIDBytes:
		return invalidOption("InstanceID must have at most 256 bytes together with MachineID")
	case o.ConnectTimeout < 0:
		return invalidOption("ConnectTimeout must be more than 0")
	case o.Timeout < 0:
		return invalidOption("Timeout must be more than 0")
	case o.ProxyURL != "" && !isProxyURL(o.ProxyURL):
		// The message does not contain the URL, which may have a password.
		return invalidOption("ProxyURL must be an http, https or socks5 URL with a host, such as http://proxy.example.com:3128")
	case strings.ContainsFunc(o.UserAgentSuffix, unicode.IsControl):
		return invalidOption("UserAgentSuffix must be text without control characters")
	default:
		return nil
	}
}

func isProxyURL(text string) bool {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" {
		return false
	}
	return parsed.Scheme == "http" || parsed.Scheme == "https" || parsed.Scheme == "socks5"
}

func invalidOption(message string) *Error { return newError(CodeInvalidConfig, "the option "+message) }
