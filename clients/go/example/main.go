// Command example is a small licensed program. It reads signet-app.json from the working directory.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	signet "github.com/signet-licensing/signet/clients/go"
)

const usage = "usage: example status | activate KEY | run | offline-request | import FILE | deactivate | diagnose"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	name, argument := split(arguments)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	license, err := open()
	if err != nil {
		return err
	}
	defer license.Close()
	switch name {
	case "status":
		fmt.Println(license.State())
	case "activate":
		return activate(ctx, license, argument)
	case "run":
		return work(ctx, license)
	case "offline-request":
		request, err := license.OfflineRequest()
		fmt.Println(request)
		return err
	case "import":
		return importFile(license, argument)
	case "deactivate":
		return license.Deactivate(ctx)
	case "diagnose":
		fmt.Print(license.Diagnose())
	default:
		return errors.New(usage)
	}
	return nil
}

func split(arguments []string) (name, argument string) {
	arguments = append(arguments, "", "")
	return arguments[0], arguments[1]
}

func open() (*signet.License, error) {
	appFile, err := os.ReadFile("signet-app.json")
	if err != nil {
		return nil, err
	}
	config, err := signet.ParseConfig(appFile)
	if err != nil {
		return nil, err
	}
	return signet.Open(config, signet.Options{AppVersion: "1.0.0", UserAgentSuffix: "example/1.0.0"})
}

func activate(ctx context.Context, license *signet.License, key string) error {
	if key == "" {
		key, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	}
	state, err := license.Activate(ctx, key)
	fmt.Println(state)
	return err
}

func importFile(license *signet.License, path string) error {
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	state, err := license.ImportLicenseFile(file)
	fmt.Println(state)
	return err
}

// work runs until it is interrupted or the license ends.
func work(ctx context.Context, license *signet.License) error {
	changes := make(chan signet.State, 16)
	license.OnChange(func(state signet.State) {
		select {
		case changes <- state:
		default:
		}
	})
	state := license.State()
	if state.HasLicenseKey {
		state, _ = license.Refresh(ctx)
	}
	for {
		fmt.Println(advice(state))
		if !state.MayRun() {
			return errors.New("stopped")
		}
		fmt.Println("export to PDF:", license.Has("export.pdf"))
		select {
		case state = <-changes:
		case <-time.After(time.Minute):
			state = license.State()
		case <-ctx.Done():
			return nil
		}
	}
}

// advice returns what the program tells its user.
func advice(state signet.State) string {
	switch state.Name {
	case signet.Active:
		if state.InGrace {
			return "Your license has expired. Renew it before " + state.GraceEndsAt.Local().Format(time.DateOnly) + "."
		}
		return "Licensed."
	case signet.Offline:
		return "Connect to the internet before " + state.Until.Local().Format(time.DateTime) + "."
	case signet.Expired:
		return "Connect to the internet to go on."
	case signet.ClockTampered:
		return "Set the clock of this computer, and connect to the internet."
	case signet.Refused:
		if state.Code == signet.CodeWrongProduct {
			return "This license key is for another product."
		}
		return "The license cannot be used: " + state.Code + "."
	default:
		if state.HasLicenseKey {
			return "The license is not activated yet (" + state.Reason + "). The program tries again."
		}
		return "Enter a license key."
	}
}
