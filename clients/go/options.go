package signet

import (
	"math/rand/v2"
	"os"
	"time"
)

// Options change the defaults of [Open]. The zero value has the defaults.
type Options struct {
	// Folder is the folder of the stored files. The default is signet/PRODUCT in the data folder of the user.
	Folder string
	// Storage replaces the folder.
	Storage Storage
	// MachineID is the id of the machine: 1 to 256 bytes of UTF-8 without control characters. It must be the same at each
	// start. Put the code of the product into it, so that other apps on the machine have another one. The default is derived
	// from the installation of the operating system. In a container or CI job it is random, and the seat is freed by Close.
	MachineID string
	// InstanceID is the id of the process, for licenses whose seats are held by processes: 1 to 64 bytes of UTF-8 without
	// control characters, and at most 256 together with MachineID. Close frees the seat.
	InstanceID string

	// MachineName is a name of the machine for people. The default is the host name. It is cut to 100 bytes; OS and Hostname
	// to 64, and AppVersion to 32.
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

	// ForgetLicenseKey keeps the license key out of the storage, and removes a stored one at Open. If it is false, the license key is stored in the file
	// license-key, and the background task and Refresh use it to activate: after an activation without network, and when the
	// seat or the token was lost. If it is true, the license key is used for the call of Activate alone: the app must ask for
	// it again in these cases.
	ForgetLicenseKey bool

	// ProxyURL is the http, https or socks5 URL of a proxy for every host. The default is HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	// of the environment, which are not used for a loopback host.
	ProxyURL string
	// ConnectTimeout is the time-out for a connection, by default 10 seconds.
	ConnectTimeout time.Duration
	// Timeout is the time-out for a request, by default 30 seconds.
	Timeout time.Duration
	// ExtraCACertificates are certificates in PEM, at least one, that are trusted besides those of the system.
	ExtraCACertificates []byte
	// UserAgentSuffix is added to the User-Agent of requests, such as "atlas/4.2.0".
	UserAgentSuffix string
}

// Limits of the API, in bytes.
const (
	maxMachineNameBytes = 100
	maxOSBytes          = 64
	maxAppVersionBytes  = 32
	maxHostnameBytes    = 64
)

// identity returns what requests say of the machine.
func (o Options) identity(product string) identity {
	id := identity{
		machineID:  o.MachineID,
		instanceID: o.InstanceID,
		appVersion: cut(o.AppVersion, maxAppVersionBytes),
		hostname:   cut(o.Hostname, maxHostnameBytes),
	}
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
			id.machineName, _ = os.Hostname()
		}
		id.machineName = cut(id.machineName, maxMachineNameBytes)
	}
	if !o.OmitOS {
		id.os = o.OS
		if id.os == "" {
			id.os = systemAndArchitecture()
		}
		id.os = cut(id.os, maxOSBytes)
	}
	return id
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
		apiURL:    transport.baseURL,
	}
}
