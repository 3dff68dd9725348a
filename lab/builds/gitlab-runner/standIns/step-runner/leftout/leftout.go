// Package leftout says what this stand-in for gitlab.com/gitlab-org/step-runner leaves out: the engine that runs a job's
// native steps (the keyword run:, and CI functions), which the module proxy does not hand out.
package leftout

import "errors"

// ErrNativeSteps is what a job meets that needs the engine.
var ErrNativeSteps = errors.New("this build of gitlab-runner leaves out native steps (the keyword run:)")
