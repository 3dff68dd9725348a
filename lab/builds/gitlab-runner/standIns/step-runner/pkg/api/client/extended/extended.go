// Package extended stands in for step-runner's client. It refuses by name.
package extended

import (
	"context"
	"io"

	"gitlab.com/gitlab-org/step-runner/leftout"
	"gitlab.com/gitlab-org/step-runner/pkg/api/client"
	"google.golang.org/grpc"
)

// Dialer connects to a step-runner.
type Dialer interface {
	Dial() (*grpc.ClientConn, error)
}

// FollowOutput takes what the steps print.
type FollowOutput struct{ Logs io.Writer }

// Client is never made.
type Client struct{}

// New refuses.
func New(Dialer) (*Client, error) { return nil, leftout.ErrNativeSteps }

// CloseConn has nothing to close.
func (*Client) CloseConn() error { return nil }

// Cancel refuses.
func (*Client) Cancel(context.Context, string) error { return leftout.ErrNativeSteps }

// RunAndFollow refuses.
func (*Client) RunAndFollow(context.Context, *client.RunRequest, *FollowOutput) (client.Status, error) {
	return client.Status{}, leftout.ErrNativeSteps
}
