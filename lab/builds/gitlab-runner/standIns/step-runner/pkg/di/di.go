// Package di stands in for the parts that a step-runner is put together from. No service comes out of it.
package di

import (
	"log/slog"

	"gitlab.com/gitlab-org/step-runner/leftout"
	"gitlab.com/gitlab-org/step-runner/pkg/runner"
	"gitlab.com/gitlab-org/step-runner/proto"
)

// Container would hold the parts.
type Container struct{}

// NewContainer takes options and needs none of them.
func NewContainer(...func(*Container)) *Container { return &Container{} }

// WithBuiltinFunc is an option.
func WithBuiltinFunc(string, runner.BuiltinFunction) func(*Container) { return nil }

// WithOperatorLogger is an option.
func WithOperatorLogger(*slog.Logger) func(*Container) { return nil }

// StepRunnerService refuses.
func (*Container) StepRunnerService() (proto.StepRunnerServer, error) {
	return nil, leftout.ErrNativeSteps
}
