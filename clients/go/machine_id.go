package signet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// commandTimeout limits the commands that print the identifier of a system.
const commandTimeout = 5 * time.Second

// system is what the machine id is derived from.
type system struct {
	name     string // linux, macos or windows
	readFile func(path string) ([]byte, error)
	getenv   func(name string) string
	run      func(name string, arguments ...string) string // returns the standard output, and the empty text after an error
}

var (
	ioregUUID   = regexp.MustCompile(`"IOPlatformUUID"\s*=\s*"([^"]*)"`)
	machineGUID = regexp.MustCompile(`(?m)^\s*MachineGuid\s+REG_SZ\s+(.*)$`)
)

// machineID returns the id of the machine for a product, and the empty text if it has none or is shared or short-lived.
func (s system) machineID(product string) string {
	if s.isEphemeral() {
		return ""
	}
	identifier := s.identifier()
	if identifier == "" {
		return ""
	}
	digest := sha256.Sum256([]byte("signet-machine-id/1\n" + product + "\n" + identifier))
	return hex.EncodeToString(digest[:])
}

// isEphemeral returns whether this is a container or a CI job.
func (s system) isEphemeral() bool {
	for _, path := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := s.readFile(path); err == nil || os.IsPermission(err) {
			return true
		}
	}
	for _, name := range []string{"KUBERNETES_SERVICE_HOST", "container", "AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4"} {
		if s.getenv(name) != "" {
			return true
		}
	}
	ci := s.getenv("CI")
	return ci != "" && ci != "false"
}

// identifier returns the identifier of the installation of the operating system, or the empty text.
func (s system) identifier() string {
	switch s.name {
	case "macos":
		return cleanIdentifier(firstGroup(ioregUUID, s.run("ioreg", "-rd1", "-c", "IOPlatformExpertDevice")))
	case "windows":
		return cleanIdentifier(firstGroup(machineGUID, s.run("reg", "query", `HKLM\SOFTWARE\Microsoft\Cryptography`, "/v", "MachineGuid", "/reg:64")))
	}
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		data, _ := s.readFile(path)
		if identifier := cleanIdentifier(string(data)); identifier != "" {
			return identifier
		}
	}
	return ""
}

func cleanIdentifier(text string) string {
	identifier := strings.ToLower(strings.TrimSpace(text))
	if identifier == "uninitialized" {
		return ""
	}
	return identifier
}

func firstGroup(pattern *regexp.Regexp, text string) string {
	if match := pattern.FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}

// thisSystem returns the system that the process runs on.
func thisSystem() system {
	return system{name: systemName(), readFile: os.ReadFile, getenv: os.Getenv, run: func(name string, arguments ...string) string {
		ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
		defer cancel()
		command := exec.CommandContext(ctx, name, arguments...)
		hideWindow(command)
		output, _ := command.Output()
		return string(output)
	}}
}

func systemName() string {
	if runtime.GOOS == "darwin" {
		return "macos"
	}
	return runtime.GOOS
}

// systemAndArchitecture returns the default of Options.OS, such as "linux x86_64".
func systemAndArchitecture() string {
	architecture := runtime.GOARCH
	switch architecture {
	case "amd64":
		architecture = "x86_64"
	case "arm64":
		architecture = "aarch64"
	case "386":
		architecture = "x86"
	}
	return systemName() + " " + architecture
}
