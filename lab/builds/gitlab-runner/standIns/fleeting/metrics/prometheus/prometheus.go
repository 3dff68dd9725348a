// Package prometheus stands in for the metrics of instances, a module of its own that the proxy does not hand out either.
package prometheus

import "github.com/prometheus/client_golang/prometheus"

// Option is an option.
type Option struct{}

// WithConstLabels is an option.
func WithConstLabels(prometheus.Labels) Option { return Option{} }

// WithInstanceCreationTimeBuckets is an option.
func WithInstanceCreationTimeBuckets([]float64) Option { return Option{} }

// WithInstanceIsRunningTimeBuckets is an option.
func WithInstanceIsRunningTimeBuckets([]float64) Option { return Option{} }

// WithInstanceDeletionTimeBuckets is an option.
func WithInstanceDeletionTimeBuckets([]float64) Option { return Option{} }

// WithInstanceLifeDurationBuckets is an option.
func WithInstanceLifeDurationBuckets([]float64) Option { return Option{} }

// Collector has no metrics.
type Collector struct{}

// New is such a collector.
func New(...Option) *Collector { return &Collector{} }
