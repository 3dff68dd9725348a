// Package snowplow stands in for labkit's sender of usage events (usage_logger with a collector, off by default). It
// refuses by name.
package snowplow

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/gitlab-org/labkit/v2/events/snowplow/metrics"
	"gitlab.com/gitlab-org/labkit/v2/events/snowplow/oidc"
)

var errLeftOut = errors.New("this build of gitlab-runner leaves out usage events: unset the usage_logger's collector")

// SendResult is what became of a batch of events.
type SendResult struct {
	EventCount int
	StatusCode int
	Err        error
}

// SendCallback is told what became of them.
type SendCallback func(successes, failures []SendResult)

// EmitterOption is an option of an emitter.
type EmitterOption struct{}

// WithCallback is an option.
func WithCallback(SendCallback) EmitterOption { return EmitterOption{} }

// WithTokenSource is an option.
func WithTokenSource(*oidc.Source) EmitterOption { return EmitterOption{} }

// WithMetricsCollectorOptions is an option.
func WithMetricsCollectorOptions(...metrics.CollectorOption) EmitterOption { return EmitterOption{} }

// Emitter is never made.
type Emitter struct{}

// NewEmitter refuses.
func NewEmitter(string, ...EmitterOption) (*Emitter, error) { return nil, errLeftOut }

// Collector has no metrics.
func (*Emitter) Collector() prometheus.Collector { return prometheus.NewRegistry() }

// Tracker is never made.
type Tracker struct{}

// NewTracker refuses.
func NewTracker(string, *Emitter) (*Tracker, error) { return nil, errLeftOut }

// BillingEventRequiredInput is what an event must have.
type BillingEventRequiredInput struct {
	Category, EventType, Realm, UnitOfMeasure string
	Quantity                                  float64
}

// BillingEventOptionalInput is what an event may have.
type BillingEventOptionalInput struct {
	Subject, DeploymentType                                 string
	InstanceID, UniqueInstanceID                            string
	ProjectID, NamespaceID, RootNamespaceID, OrganizationID int64
	Metadata                                                map[string]any
}

// TrackBillingEventWithOptionalInput refuses.
func (*Tracker) TrackBillingEventWithOptionalInput(BillingEventRequiredInput, BillingEventOptionalInput) error {
	return errLeftOut
}

// Stop has nothing to stop.
func (*Tracker) Stop() {}
