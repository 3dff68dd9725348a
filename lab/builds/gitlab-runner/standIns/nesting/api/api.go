// Package api stands in for gitlab.com/gitlab-org/fleeting/nesting/api, the client of the daemon that nests virtual
// machines on an autoscaled instance. The module proxy does not hand it out. It refuses by name.
package api

import (
	"context"
	"errors"
	"io"
	"net"

	"gitlab.com/gitlab-org/fleeting/nesting/hypervisor"
)

// What the daemon answers, and what this build does.
var (
	ErrNotInitialized     = errors.New("not initialized")
	ErrAlreadyInitialized = errors.New("already initialized")
	errLeftOut            = errors.New("this build of gitlab-runner leaves out nested virtual machines (vm_isolation)")
)

// Client of the daemon.
type Client interface {
	Init(ctx context.Context, config []byte) error
	Create(ctx context.Context, image string, slot *int32) (hypervisor.VirtualMachine, *string, error)
	Delete(ctx context.Context, id string) error
	List(ctx context.Context) ([]hypervisor.VirtualMachine, error)
	Close() error
}

// NewClientConn refuses.
func NewClientConn(string, func(ctx context.Context, network, address string) (net.Conn, error)) (io.Closer, error) {
	return nil, errLeftOut
}

// New is never called, as there is no connection.
func New(io.Closer) Client { return nil }
