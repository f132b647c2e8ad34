package signet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMachineIDs(t *testing.T) {
	t.Parallel()
	var vectors []struct {
		Name, System, Output string
		Files, Environment   map[string]string
		MachineID            string `json:"machine_id"`
	}
	readJSON(t, filepath.Join(conformanceFolder, "machine-ids.json"), &vectors)
	for _, vector := range vectors {
		machine := system{
			name: vector.System,
			readFile: func(path string) ([]byte, error) {
				text, ok := vector.Files[path]
				if !ok {
					return nil, os.ErrNotExist
				}
				return []byte(text), nil
			},
			getenv: func(name string) string { return vector.Environment[name] },
			run:    func(string, ...string) string { return vector.Output },
		}
		equal(t, vector.Name, "machine id", machine.machineID("atlas"), vector.MachineID)
	}
}

func TestIdentityWithoutAMachineIDIsEphemeral(t *testing.T) {
	t.Parallel()
	first, second := Options{}.identity("atlas"), Options{}.identity("atlas")
	if first.isEphemeral && (first.machineID == second.machineID || !strings.HasPrefix(first.machineID, "ephemeral-") || len(first.machineID) != len("ephemeral-")+32) {
		t.Fatal(first.machineID, second.machineID)
	}
	if !first.isEphemeral && first.machineID != second.machineID {
		t.Fatal(first.machineID, second.machineID)
	}
}
