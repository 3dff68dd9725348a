// Package addmask stands in for gitlab.com/ajwalker/phrasestream/addmask, which masks secrets that a job names while it
// runs (proxy-exec, off unless proxy_exec is set). The module proxy does not hand it out. It refuses by name.
package addmask

import (
	"errors"
	"io"
)

// AddMask is never made.
type AddMask struct{}

// New refuses.
func New(_ any, _, _ io.Writer) (*AddMask, error) {
	return nil, errors.New("this build of gitlab-runner leaves out proxy-exec: unset proxy_exec")
}

// Get is a writer for standard output (0) or error (1).
func (*AddMask) Get(int) io.Writer { return io.Discard }

// Close has nothing to close.
func (*AddMask) Close() error { return nil }
