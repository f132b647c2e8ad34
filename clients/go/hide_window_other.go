//go:build !windows

package signet

import "os/exec"

// hideWindow does nothing: only on Windows do commands open a window.
func hideWindow(*exec.Cmd) {}
