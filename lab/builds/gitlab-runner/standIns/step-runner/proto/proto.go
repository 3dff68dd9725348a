// Package proto stands in for step-runner's gRPC messages: the few that a function compiled into the runner describes
// its inputs with.
package proto

import (
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
)

// ValueType is the type of an input.
type ValueType int

// The types that the runner's own functions use.
const (
	ValueType_string ValueType = iota
	ValueType_boolean
	ValueType_array
)

// Spec describes a function.
type Spec struct{ Spec *Spec_Content }

// GetSpec is the description itself.
func (spec *Spec) GetSpec() *Spec_Content { return spec.Spec }

// Spec_Content lists the inputs.
type Spec_Content struct {
	Inputs map[string]*Spec_Content_Input
}

// GetInputs is the list.
func (content *Spec_Content) GetInputs() map[string]*Spec_Content_Input { return content.Inputs }

// Spec_Content_Input is one input.
type Spec_Content_Input struct {
	Type      ValueType
	Default   *structpb.Value
	Sensitive bool
}

// StepRunnerServer is the service that would run steps.
type StepRunnerServer interface{}

// RegisterStepRunnerServer registers nothing: there is no such service in this build.
func RegisterStepRunnerServer(grpc.ServiceRegistrar, StepRunnerServer) {}
