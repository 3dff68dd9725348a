// Package expression stands in for the evaluator of job inputs. The runner makes one for every job, so making it must
// not fail; what it is asked to evaluate is literal text only (see moa).
package expression

import (
	"gitlab.com/gitlab-org/moa/ast"
	"gitlab.com/gitlab-org/moa/value"
)

// Sensitive marks a value that must not be shown.
const Sensitive uint16 = 1

// Input is one input of a job.
type Input struct {
	Key   string
	Value value.Value
}

// Evaluator evaluates literal text.
type Evaluator struct{}

// NewEvaluator never fails.
func NewEvaluator(value.Value) (*Evaluator, error) { return &Evaluator{}, nil }

// Eval gives the text back.
func (*Evaluator) Eval(text string, _ ast.Expr) (value.Value, error) { return value.String(text), nil }
