package signet

import (
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// Options change the defaults of [Open]. The zero value has the defaults.
type Options struct {
	// Folder is the folder of the stored files. The default is signet/PRODUCT in the data folder of the user.
	Folder string
	// Storage replaces the folder.
	Storage Storage
	// MachineID is the id of the machine, of 1 to 256 bytes. It must be the same at each start. The default is derived from
	// the installation of the operating system. In a container or CI job it is random, and the seat is freed by Close.
	MachineID string
	// InstanceID is the id of the process, for licenses whose seats are held by processes. Close frees the seat.
	InstanceID string

	// MachineName is a name of the machine for people. The default is the host name.
	MachineName string
	// OmitMachineName does not send a machine name.
	OmitMachineName bool
	// OS describes the operating system. The default is the system and the architecture, such as "linux x86_64".
	OS string
	// OmitOS does not send OS.
	OmitOS bool
	// AppVersion is the version of the app. The default is not to send one.
	AppVersion string
	// Hostname is the host name. The default is not to send one.
	Hostname string

	// ForgetLicenseKey does not store the license key. The app then activates again when the seat was lost.
	ForgetLicenseKey bool

	// ProxyURL is the URL of a proxy. The default is HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment.
	ProxyURL string
	// ConnectTimeout is the time-out for a connection, by default 10 seconds.
	ConnectTimeout time.Duration
	// Timeout is the time-out for a request, by default 30 seconds.
	Timeout time.Duration
	// ExtraCACertificates are certificates in PEM that are trusted besides those of the system.
	ExtraCACertificates []byte
	// UserAgentSuffix is added to the User-Agent of requests, such as "atlas/4.2.0".
	UserAgentSuffix string
}

// identity returns what requests say of the machine.
func (o Options) identity(product string) identity {
	id := identity{machineID: o.MachineID, instanceID: o.InstanceID, appVersion: o.AppVersion, hostname: o.Hostname}
	if id.machineID == "" {
		id.machineID = thisSystem().machineID(product)
	}
	if id.machineID == "" {
		id.machineID = "ephemeral-" + randomHex()
		id.isEphemeral = true
	}
	if !o.OmitMachineName {
		id.machineName = o.MachineName
		if id.machineName == "" {
			id.machineName = defaultMachineName()
		}
	}
	if !o.OmitOS {
		id.os = o.OS
		if id.os == "" {
			id.os = systemAndArchitecture()
		}
	}
	return id
}

// maxMachineNameBytes is the limit of the API.
const maxMachineNameBytes = 100

// defaultMachineName returns the host name, cut to what the API accepts.
func defaultMachineName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(name[:min(len(name), maxMachineNameBytes)], "")
}

// ports returns the clocks, the random numbers, the storage and the network of this process.
func (o Options) ports(product string, transport *httpTransport) ports {
	storage := o.Storage
	if storage == nil {
		folder := o.Folder
		if folder == "" {
			folder = defaultFolder(product)
		}
		storage = NewFolderStorage(folder)
	}
	start := time.Now()
	return ports{
		wall:      func() float64 { return float64(time.Now().UnixMilli()) / 1000 },
		monotonic: func() float64 { return time.Since(start).Seconds() },
		random:    rand.Float64,
		send:      transport.send,
		storage:   storage,
	}
}
