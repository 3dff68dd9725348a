// Package process is what a command has in common wherever it runs: its life cycle, its output and its log.
package process

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Steps are the commands of a resource's life. Without Update every change of an input runs Create again; a changed
// trigger replaces the resource.
type Steps struct {
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
}

// OnUpdate is the command that a change runs, nil for none.
func (s Steps) OnUpdate() *string {
	if s.Update != nil {
		return s.Update
	}
	return s.Create
}

// Output is what a command wrote, less the last line feed.
type Output struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Variables hand the output of the last run to the next one.
func (o Output) Variables() map[string]string {
	previous := map[string]string{}
	if o.Stdout != "" {
		previous["PULUMI_COMMAND_STDOUT"] = o.Stdout
	}
	if o.Stderr != "" {
		previous["PULUMI_COMMAND_STDERR"] = o.Stderr
	}
	return previous
}

// Logging chooses what of the output is shown while the command runs; both when it is not given.
type Logging string

// The choices.
const (
	Stdout Logging = "stdout"
	Stderr Logging = "stderr"
	Both   Logging = "stdoutAndStderr"
	None   Logging = "none"
)

// Values lists the choices.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "stdout", Value: Stdout}, {Name: "stderr", Value: Stderr},
		{Name: "stdoutAndStderr", Value: Both}, {Name: "none", Value: None},
	}
}

func (l *Logging) shows(stream Logging) bool { return l == nil || *l == Both || *l == stream }

// Capture collects both streams of a running command, apart and in the order that they came in.
type Capture struct {
	Stdout, Stderr io.Writer

	stdout, stderr, both bytes.Buffer
	lock                 sync.Mutex
	log                  *io.PipeWriter
	logged               chan struct{}
}

// NewCapture shows as status, line by line, what logging asks for.
func NewCapture(ctx context.Context, logging *Logging) *Capture {
	c := &Capture{logged: make(chan struct{})}
	lines, log := io.Pipe()
	c.log = log
	c.Stdout = c.writer(&c.stdout, logging.shows(Stdout))
	c.Stderr = c.writer(&c.stderr, logging.shows(Stderr))
	go func() {
		defer close(c.logged)
		scanner := bufio.NewScanner(lines)
		scanner.Buffer(nil, 1<<30)
		for scanner.Scan() {
			p.GetLogger(ctx).InfoStatus(scanner.Text())
		}
		_, _ = io.Copy(io.Discard, lines)
	}()
	return c
}

type writer func([]byte) (int, error)

func (w writer) Write(bytes []byte) (int, error) { return w(bytes) }

func (c *Capture) writer(own *bytes.Buffer, shown bool) io.Writer {
	return writer(func(bytes []byte) (int, error) {
		c.lock.Lock()
		defer c.lock.Unlock()
		own.Write(bytes)
		c.both.Write(bytes)
		if shown {
			_, _ = c.log.Write(bytes)
		}
		return len(bytes), nil
	})
}

// Done turns what was captured into the outputs, or into an error that shows the command and all that it wrote.
func (c *Capture) Done(command string, err error) (Output, error) {
	_ = c.log.Close()
	<-c.logged
	if err != nil {
		return Output{}, fmt.Errorf("%w: running %q:\n%s", err, command, c.both.String())
	}
	return Output{
		Stdout: strings.TrimSuffix(c.stdout.String(), "\n"),
		Stderr: strings.TrimSuffix(c.stderr.String(), "\n"),
	}, nil
}
