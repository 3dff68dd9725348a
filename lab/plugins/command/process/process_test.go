package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// captured writes as a command would, with nothing logged: a log needs an engine to go to.
func captured(failure error) (Output, error) {
	none := None
	capture := NewCapture(context.Background(), &none)
	fmt.Fprint(capture.Stdout, "out\n\n")
	fmt.Fprint(capture.Stderr, "err\n")
	return capture.Done("the command", failure)
}

func TestOutputLosesOneLineFeed(t *testing.T) {
	output, err := captured(nil)
	if err != nil || output != (Output{Stdout: "out\n", Stderr: "err"}) {
		t.Errorf("got %q, %v", output, err)
	}
}

func TestFailureShowsEverything(t *testing.T) {
	_, err := captured(errors.New("exit status 3"))
	for _, part := range []string{"exit status 3", `running "the command"`, "out", "err"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
}

func TestLogging(t *testing.T) {
	stderr, none := Stderr, None
	for _, test := range []struct {
		logging *Logging
		out     bool
		err     bool
	}{{nil, true, true}, {&stderr, false, true}, {&none, false, false}} {
		if test.logging.shows(Stdout) != test.out || test.logging.shows(Stderr) != test.err {
			t.Errorf("%v shows the wrong streams", test.logging)
		}
	}
}
