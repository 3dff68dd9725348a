// Package client stands in for what a client of step-runner sends and gets.
package client

import "time"

// Variable is a CI/CD variable of the job.
type Variable struct {
	Key, Value   string
	File, Masked bool
}

// RunRequest asks for steps to be run.
type RunRequest struct {
	Id                string
	Timeout           *time.Duration
	WorkDir, BuildDir string
	Env               map[string]string
	Steps             string
	Variables         []Variable
}

// State is how far a run has come.
type State int

// States of a run.
const (
	StateFailure State = iota
	StateSuccess
	StateCancelled
)

func (state State) String() string { return [...]string{"failure", "success", "cancelled"}[state] }

// ErrorKind is why a run failed.
type ErrorKind int

// Reasons.
const (
	ErrorUnknown ErrorKind = iota
	ErrorInternal
	ErrorStepFailure
	ErrorCancelled
	ErrorTimeout
)

// Status is how a run ended.
type Status struct {
	State     State
	Message   string
	ErrorKind ErrorKind
}
