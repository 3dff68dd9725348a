// Package connector stands in for connections to instances. It refuses by name.
package connector

import (
	"context"
	"io"
	"net"

	"gitlab.com/gitlab-org/fleeting/fleeting/provider"
)

// Client is a connection.
type Client interface {
	Dial(network, address string) (net.Conn, error)
	DialRun(ctx context.Context, command string) (net.Conn, error)
	Run(ctx context.Context, options RunOptions) error
	Close() error
}

// DialFn connects.
type DialFn func(ctx context.Context, info provider.ConnectInfo, options DialOptions) (Client, error)

// DialOptions say how.
type DialOptions struct {
	UseExternalAddr bool
	DialFn          func(ctx context.Context, network, address string) (net.Conn, error)
}

// RunOptions say what to run.
type RunOptions struct {
	Command string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// ConnectorOptions are both.
type ConnectorOptions struct {
	RunOptions
	DialOptions
}

// ExitError is how a command ended.
type ExitError struct{}

func (*ExitError) Error() string { return provider.ErrLeftOut.Error() }

// ExitCode of the command.
func (*ExitError) ExitCode() int { return 1 }

// Dial refuses.
func Dial(context.Context, provider.ConnectInfo, DialOptions) (Client, error) {
	return nil, provider.ErrLeftOut
}

// Run refuses.
func Run(context.Context, provider.ConnectInfo, ConnectorOptions) error { return provider.ErrLeftOut }
