// Package oidc stands in for the source of tokens with which the sender would prove itself.
package oidc

// Option is an option.
type Option struct{}

// WithSkipIfUnsupportedCloud is an option.
func WithSkipIfUnsupportedCloud(bool) Option { return Option{} }

// Source has no token.
type Source struct{}

// NewSource is such a source.
func NewSource(...Option) *Source { return &Source{} }
