// Package metrics stands in for the options of the sender's metrics.
package metrics

// CollectorOption is an option.
type CollectorOption struct{}

// WithCollectorNamespace is an option.
func WithCollectorNamespace(string) CollectorOption { return CollectorOption{} }

// WithCollectorBatchDeliveryDurationBuckets is an option.
func WithCollectorBatchDeliveryDurationBuckets([]float64) CollectorOption { return CollectorOption{} }
