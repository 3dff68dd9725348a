// Package api stands in for the interface through which a wrapper of the runner is told to shut it down (the command
// gitlab-runner wrapper). The runner's own module excludes it, and the module proxy does not hand it out.
package api

import (
	"context"
	"errors"

	"github.com/sirupsen/logrus"
)

// ErrProcessNotInitialized says that there is no process yet.
var ErrProcessNotInitialized = errors.New("process not initialized")

// Status of the wrapped process.
type Status int

// The states.
const (
	StatusUnknown Status = iota
	StatusRunning
	StatusInShutdown
	StatusStopped
)

func (status Status) String() string {
	return [...]string{"unknown", "running", "in shutdown", "stopped"}[status]
}

// ShutdownCallbackDef says whom to tell that the process has ended.
type ShutdownCallbackDef interface {
	URL() string
	Method() string
}

// InitGracefulShutdownRequest asks for a graceful shutdown.
type InitGracefulShutdownRequest interface {
	ShutdownCallbackDef() ShutdownCallbackDef
}

// ShutdownCallback tells somebody that the process has ended.
type ShutdownCallback interface {
	Run(ctx context.Context)
}

type noCallback struct{}

func (noCallback) Run(context.Context) {}

// NewShutdownCallback tells nobody.
func NewShutdownCallback(logrus.FieldLogger, ShutdownCallbackDef) ShutdownCallback {
	return noCallback{}
}
