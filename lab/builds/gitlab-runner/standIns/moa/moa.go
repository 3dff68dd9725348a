// Package moa stands in for gitlab.com/gitlab-org/moa, the expression language of job inputs and native steps, which
// the module proxy does not hand out. Text without an expression passes; text with one is refused by name.
package moa

import (
	"errors"
	"strings"

	"gitlab.com/gitlab-org/moa/ast"
)

// ErrLeftOut is what a job meets that uses an expression.
var ErrLeftOut = errors.New("this build of gitlab-runner leaves out job inputs: ${{ … }} cannot be evaluated")

// ParseTemplate takes text that has no expression in it.
func ParseTemplate(text string) (ast.Expr, error) {
	if strings.Contains(text, "${{") {
		return nil, ErrLeftOut
	}
	return ast.Text(text), nil
}

// EscapeTemplate is for text that native steps would take for an expression. They are left out too.
func EscapeTemplate(text string) string { return text }
