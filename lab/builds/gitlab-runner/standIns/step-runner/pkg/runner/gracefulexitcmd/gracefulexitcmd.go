// Package gracefulexitcmd stands in for a command that is first asked to end, and ended after a delay.
package gracefulexitcmd

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// New is such a command.
func New(ctx context.Context, delay time.Duration, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = delay
	return command
}
