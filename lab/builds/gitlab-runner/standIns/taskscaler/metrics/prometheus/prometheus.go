// Package prometheus stands in for the scaler's metrics, a module of its own that the proxy does not hand out either.
package prometheus

import "github.com/prometheus/client_golang/prometheus"

// Option is an option.
type Option struct{}

// WithConstLabels is an option.
func WithConstLabels(prometheus.Labels) Option { return Option{} }

// WithInstanceReadinessTimeBuckets is an option.
func WithInstanceReadinessTimeBuckets([]float64) Option { return Option{} }

// Collector has no metrics.
type Collector struct{}

// New is such a collector.
func New(...Option) *Collector { return &Collector{} }
