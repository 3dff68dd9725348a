// Package schema stands in for step-runner's schema. The runner decodes a job's run: into it.
package schema

// StepInputs are a step's inputs by name.
type StepInputs map[string]any

// Step is one entry of run:, as far as the runner itself looks at it.
type Step struct {
	Name   *string           `json:"name,omitempty" yaml:"name,omitempty"`
	Step   any               `json:"step,omitempty" yaml:"step,omitempty"`
	Func   any               `json:"func,omitempty" yaml:"func,omitempty"`
	Script *string           `json:"script,omitempty" yaml:"script,omitempty"`
	Inputs StepInputs        `json:"inputs,omitempty" yaml:"inputs,omitempty"`
	Env    map[string]string `json:"env,omitempty" yaml:"env,omitempty"`
	Run    []Step            `json:"run,omitempty" yaml:"run,omitempty"`
}
