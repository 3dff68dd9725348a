// Package remote runs commands over SSH.
package remote

import (
	"context"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"

	"pi-runners/lab/plugins/command/process"
)

// Command is command:remote:Command.
type Command struct{}

// Args are its inputs.
type Args struct {
	process.Steps
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *process.Logging  `pulumi:"logging,optional"`
	Connection             *Connection       `pulumi:"connection" provider:"secret"`
	Environment            map[string]string `pulumi:"environment,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// State is what is kept of it.
type State struct {
	Args
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

// Delete runs the delete command, over the connection that the state has.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[State]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, request.State.run(ctx, request.State.Delete)
}

func (s *State) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	client, err := s.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	if err := s.setEnvironment(ctx, session); err != nil {
		return err
	}
	if s.Stdin != nil && *s.Stdin != "" {
		session.Stdin = strings.NewReader(*s.Stdin)
	}
	capture := process.NewCapture(ctx, s.Logging)
	session.Stdout, session.Stderr = capture.Stdout, capture.Stderr
	output, err := capture.Done(*command, session.Run(*command))
	if err == nil {
		s.Output = output
	}
	return err
}

// setEnvironment asks the server to take variables, which it does only for names in its AcceptEnv. Refusing one of the
// program's is an error, refusing those of the previous output is a warning.
func (s *State) setEnvironment(ctx context.Context, session *ssh.Session) error {
	const hint = "Unable to set '%s'. This only works if your SSH server is configured to accept these variables via " +
		"AcceptEnv. Alternatively, if a Bash-like shell runs the command on the remote host, you could prefix the " +
		"command itself with the variables in the form 'VAR=value command'"
	for key, value := range s.Environment {
		if err := session.Setenv(key, value); err != nil {
			p.GetLogger(ctx).Errorf(hint, key)
			return fmt.Errorf("could not set environment variable %q: %w", key, err)
		}
	}
	if s.AddPreviousOutputInEnv != nil && !*s.AddPreviousOutputInEnv {
		return nil
	}
	for key, value := range s.Output.Variables() {
		if err := session.Setenv(key, value); err != nil {
			p.GetLogger(ctx).Warningf(hint, key)
		}
	}
	return nil
}
