// Package ast stands in for moa's syntax tree: as no expression is parsed, it has literal text only.
package ast

// Expr is a node of the tree.
type Expr interface {
	Walk(visitor Visitor) (Expr, error)
}

// Visitor sees each node twice: before and after those below it.
type Visitor interface {
	Enter(expr Expr) (Visitor, error)
	Exit(expr Expr) (Expr, error)
}

// Text is literal text.
type Text string

// Walk shows the visitor the one node that there is.
func (text Text) Walk(visitor Visitor) (Expr, error) { return walk(text, visitor) }

// Template is text with expressions in it. None is ever made; the runner asks whether an Expr is one.
type Template struct{}

// Walk shows the visitor the one node that there is.
func (template *Template) Walk(visitor Visitor) (Expr, error) { return walk(template, visitor) }

func walk(expr Expr, visitor Visitor) (Expr, error) {
	inner, err := visitor.Enter(expr)
	if err != nil {
		return nil, err
	}
	return inner.Exit(expr)
}
