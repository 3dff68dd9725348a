// Package local runs commands on the machine that runs Pulumi.
package local

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"pi-runners/lab/plugins/command/process"
)

// Command is command:local:Command.
type Command struct{}

// Run is command:local:run, which runs in previews too.
type Run struct{}

// Base is what both take.
type Base struct {
	Stdin *string `pulumi:"stdin,optional"`
	// Interpreter is ["/bin/sh", "-c"] unless given.
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Logging                *process.Logging   `pulumi:"logging,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
}

// Args are the inputs of Command.
type Args struct {
	process.Steps
	Base
}

// State is what is kept of Command.
type State struct {
	Args
	process.Output
}

// RunArgs are the inputs of Run.
type RunArgs struct {
	Base
	Command string `pulumi:"command"`
}

// RunResult is its result.
type RunResult struct {
	RunArgs
	process.Output
}

// Create runs the create command.
func (*Command) Create(ctx context.Context, request infer.CreateRequest[Args]) (infer.CreateResponse[State], error) {
	response := infer.CreateResponse[State]{Output: State{Args: request.Inputs}}
	var err error
	if response.ID, err = resource.NewUniqueHex(request.Name, 8, 0); err != nil || request.DryRun {
		return response, err
	}
	return response, response.Output.run(ctx, request.Inputs.Create)
}

// Update runs the update command or, without one, the create command.
func (*Command) Update(
	ctx context.Context, request infer.UpdateRequest[Args, State],
) (infer.UpdateResponse[State], error) {
	response := infer.UpdateResponse[State]{Output: State{Args: request.Inputs, Output: request.State.Output}}
	if request.DryRun {
		return response, nil
	}
	return response, response.Output.run(ctx, request.Inputs.OnUpdate())
}

// Delete runs the delete command.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[State]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, request.State.run(ctx, request.State.Delete)
}

// Invoke runs the command.
func (*Run) Invoke(
	ctx context.Context, request infer.FunctionRequest[RunArgs],
) (infer.FunctionResponse[RunResult], error) {
	output, err := request.Input.run(ctx, request.Input.Command, process.Output{})
	return infer.FunctionResponse[RunResult]{Output: RunResult{RunArgs: request.Input, Output: output}}, err
}

func (s *State) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	output, err := s.Base.run(ctx, *command, s.Output)
	if err == nil {
		s.Output = output
	}
	return err
}

func (b Base) run(ctx context.Context, command string, previous process.Output) (process.Output, error) {
	line := []string{"/bin/sh", "-c"}
	if b.Interpreter != nil && len(*b.Interpreter) > 0 {
		line = append([]string{}, *b.Interpreter...)
	}
	line = append(line, command)
	child := exec.CommandContext(ctx, line[0], line[1:]...)
	child.Env = os.Environ()
	if b.Environment != nil {
		for key, value := range *b.Environment {
			child.Env = append(child.Env, key+"="+value)
		}
	}
	if b.AddPreviousOutputInEnv == nil || *b.AddPreviousOutputInEnv {
		for key, value := range previous.Variables() {
			child.Env = append(child.Env, key+"="+value)
		}
	}
	if b.Dir != nil {
		child.Dir = *b.Dir
	}
	if b.Stdin != nil && *b.Stdin != "" {
		child.Stdin = strings.NewReader(*b.Stdin)
	}
	capture := process.NewCapture(ctx, b.Logging)
	child.Stdout, child.Stderr = capture.Stdout, capture.Stderr
	return capture.Done(command, child.Run())
}
