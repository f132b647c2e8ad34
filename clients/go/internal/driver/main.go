// Command driver performs operations of a license: it reads one JSON object per line and answers each with a JSON line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	signet "github.com/signet-licensing/signet/clients/go"
)

type command struct {
	Do         string          `json:"do"`
	Config     json.RawMessage `json:"config"`
	Options    options         `json:"options"`
	LicenseKey string          `json:"license_key"`
	Until      int64           `json:"until"`
	File       string          `json:"file"`
	Feature    string          `json:"feature"`
}

type options struct {
	Folder         string          `json:"folder"`
	MachineID      string          `json:"machine_id"`
	InstanceID     string          `json:"instance_id"`
	MachineName    json.RawMessage `json:"machine_name"`
	AppVersion     string          `json:"app_version"`
	OS             json.RawMessage `json:"os"`
	Hostname       string          `json:"hostname"`
	KeepLicenseKey *bool           `json:"keep_license_key"`
	Proxy          string          `json:"proxy"`
	CAFile         string          `json:"ca_file"`
	TimeoutSeconds float64         `json:"timeout_seconds"`
}

type answer map[string]any

// driver holds the license that was opened last, and the changes of its state.
type driver struct {
	license *signet.License
	mu      sync.Mutex
	changes []answer
}

func main() {
	d := &driver{changes: []answer{}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	output := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			_ = output.Encode(answer{"error": "invalid_command", "detail": err.Error()})
			continue
		}
		if c.Do == "exit" {
			return
		}
		_ = output.Encode(d.perform(c))
	}
}

func (d *driver) perform(c command) answer {
	if c.Do == "open" {
		return d.open(c)
	}
	if d.license == nil {
		return answer{"error": "not_open"}
	}
	ctx := context.Background()
	var err error
	switch c.Do {
	case "state":
	case "activate":
		_, err = d.license.Activate(ctx, c.LicenseKey)
	case "deactivate":
		err = d.license.Deactivate(ctx)
	case "release":
		err = d.license.Release(ctx)
	case "close":
		err = d.license.Close()
	case "borrow":
		_, err = d.license.Borrow(ctx, time.Unix(c.Until, 0))
	case "import_license_file":
		_, err = d.license.ImportLicenseFile([]byte(c.File))
	case "offline_request":
		var request string
		if request, err = d.license.OfflineRequest(); err == nil {
			return answer{"result": request}
		}
	case "has":
		return answer{"result": d.license.Has(c.Feature)}
	case "limit":
		return answer{"result": limit(d.license.Limit(c.Feature))}
	case "diagnose":
		return answer{"result": d.license.Diagnose()}
	case "changes":
		return answer{"result": d.takeChanges()}
	default:
		return answer{"error": "unknown_command"}
	}
	return withError(answer{"state": state(d.license.State())}, err)
}

func (d *driver) open(c command) answer {
	config, err := signet.ParseConfig(c.Config)
	if err != nil {
		return withError(answer{}, err)
	}
	options, err := c.Options.decode()
	if err != nil {
		return withError(answer{}, err)
	}
	license, err := signet.Open(config, options)
	if err != nil {
		return withError(answer{}, err)
	}
	d.license = license
	d.takeChanges()
	license.OnChange(func(s signet.State) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.changes = append(d.changes, state(s))
	})
	return answer{"state": state(license.State())}
}

func (d *driver) takeChanges() []answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes := d.changes
	d.changes = []answer{}
	return changes
}

func (o options) decode() (signet.Options, error) {
	result := signet.Options{
		Folder:           o.Folder,
		MachineID:        o.MachineID,
		InstanceID:       o.InstanceID,
		AppVersion:       o.AppVersion,
		Hostname:         o.Hostname,
		ForgetLicenseKey: o.KeepLicenseKey != nil && !*o.KeepLicenseKey,
		ProxyURL:         o.Proxy,
		Timeout:          time.Duration(o.TimeoutSeconds * float64(time.Second)),
	}
	result.MachineName, result.OmitMachineName = textOrOmit(o.MachineName)
	result.OS, result.OmitOS = textOrOmit(o.OS)
	if o.CAFile == "" {
		return result, nil
	}
	certificates, err := os.ReadFile(o.CAFile)
	result.ExtraCACertificates = certificates
	return result, err
}

// textOrOmit returns a text; null is omitted, and an absent one is the default.
func textOrOmit(data json.RawMessage) (string, bool) {
	var text string
	_ = json.Unmarshal(data, &text)
	return text, string(data) == "null"
}

func withError(a answer, err error) answer {
	var failure *signet.Error
	if errors.As(err, &failure) {
		a["error"] = failure.Code
	} else if err != nil {
		a["error"] = fmt.Sprint(err)
	}
	return a
}

func limit(value int64) any {
	if value == signet.Unlimited {
		return "unlimited"
	}
	return value
}

func state(s signet.State) answer {
	fields := answer{"state": s.Name}
	switch s.Name {
	case signet.Active:
		fields["until"], fields["in_grace"], fields["grace_ends_at"] = seconds(s.Until), s.InGrace, seconds(s.GraceEndsAt)
	case signet.Offline:
		fields["until"], fields["reason"] = seconds(s.Until), s.Reason
	case signet.Expired:
		fields["since"] = seconds(s.Since)
	case signet.Unactivated:
		fields["has_license_key"], fields["reason"] = s.HasLicenseKey, textOrNil(s.Reason)
	case signet.Refused:
		fields["code"], fields["retry_at"] = s.Code, seconds(s.RetryAt)
	}
	return fields
}

func textOrNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func seconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}
