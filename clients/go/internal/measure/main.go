// Command measure prints the median time of Open in milliseconds, and the resident memory in bytes that an idle license adds.
// Its argument is the folder of the conformance suite.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sort"
	"time"

	signet "github.com/signet-licensing/signet/clients/go"
)

const opens = 101

func main() {
	suite := os.Args[1]
	folder, err := os.MkdirTemp("", "signet-measure-")
	check(err)
	defer os.RemoveAll(folder)
	config, options := prepare(suite, folder)

	before := residentBytes()
	license, err := signet.Open(config, options)
	check(err)
	idle := residentBytes() - before
	check(license.Close())

	var times []float64
	for i := 0; i < opens; i++ {
		start := time.Now()
		license, err := signet.Open(config, options)
		times = append(times, float64(time.Since(start).Microseconds())/1000)
		check(err)
		if license.State().Name == signet.Unactivated {
			log.Fatal("the stored token was not accepted")
		}
		check(license.Close())
	}
	sort.Float64s(times)
	fmt.Printf("%.2f %d\n", times[opens/2], idle)
}

// prepare stores an activation of the conformance suite. No request reaches a server.
func prepare(suite, folder string) (signet.Config, signet.Options) {
	data, err := os.ReadFile(filepath.Join(suite, "config.json"))
	check(err)
	config, err := signet.ParseConfig(data)
	check(err)
	var machine struct {
		ID string `json:"machine_id"`
	}
	check(json.Unmarshal(data, &machine))
	scenarios, err := os.ReadFile(filepath.Join(suite, "scenarios", "states.json"))
	check(err)
	var list []struct{ Storage map[string]string }
	check(json.Unmarshal(scenarios, &list))
	for name, text := range list[1].Storage {
		check(os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return config, signet.Options{Folder: folder, MachineID: machine.ID, ProxyURL: "http://127.0.0.1:1"}
}

// residentBytes returns the resident memory of the process after a garbage collection. It works on Linux only.
func residentBytes() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	data, err := os.ReadFile("/proc/self/statm")
	check(err)
	var size, resident int64
	_, err = fmt.Sscan(string(data), &size, &resident)
	check(err)
	return resident * int64(os.Getpagesize())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
