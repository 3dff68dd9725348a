// Package proxy stands in for the pipe between a container's standard streams and its step-runner.
package proxy

import (
	"io"

	"gitlab.com/gitlab-org/step-runner/leftout"
)

// Proxy refuses.
func Proxy(io.Reader, io.Writer, io.ReadWriter) error { return leftout.ErrNativeSteps }
