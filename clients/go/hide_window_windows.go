package signet

import (
	"os/exec"
	"syscall"
)

// hideWindow keeps a command from opening a console window.
func hideWindow(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{HideWindow: true}
}
