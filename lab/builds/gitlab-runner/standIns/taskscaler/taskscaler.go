// Package taskscaler stands in for gitlab.com/gitlab-org/fleeting/taskscaler, which decides how many instances the
// autoscaling executors have. The module proxy does not hand it out. It refuses by name.
package taskscaler

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
	"gitlab.com/gitlab-org/fleeting/fleeting"
	"gitlab.com/gitlab-org/fleeting/fleeting/provider"
	"gitlab.com/gitlab-org/fleeting/taskscaler/storage"
)

// ErrNoCapacity says that there is no room for another task.
var ErrNoCapacity = errors.New("no capacity")

// Acquisition is an instance's place for one task.
type Acquisition interface {
	Slot() int
	WithContext(ctx context.Context) (context.Context, context.CancelFunc)
	InstanceConnectInfo(ctx context.Context) (provider.ConnectInfo, error)
}

// Taskscaler hands out places.
type Taskscaler interface {
	Acquire(ctx context.Context, key string) (Acquisition, error)
	Resume(ctx context.Context, key string) (Acquisition, error)
	Suspend(key string) error
	Release(key string)
	Reserve(key string) error
	Unreserve(key string)
	ConfigureSchedule(schedules ...Schedule) error
	HasCapability(capability provider.Capability) bool
	MetricsCollector() any
	FleetingMetricsCollector() any
	Shutdown(ctx context.Context)
}

// Schedule says how many instances are wanted when.
type Schedule struct {
	Periods          []string
	Timezone         string
	IdleCount        int
	IdleTime         time.Duration
	ScaleFactor      float64
	ScaleFactorLimit int
	PreemptiveMode   bool
}

// UpFuncInstance is an instance that has come up.
type UpFuncInstance struct {
	Info         provider.ConnectInfo
	Cause        fleeting.Cause
	Restored     bool
	Acquisitions []string
}

// UpFunc is called for it.
type UpFunc func(scaler Taskscaler, instance UpFuncInstance) error

// HeartbeatFunc tells whether an instance is alive.
type HeartbeatFunc func(ctx context.Context, info provider.ConnectInfo) error

// New refuses.
func New(context.Context, provider.InstanceGroup, ...Option) (Taskscaler, error) {
	return nil, provider.ErrLeftOut
}

// Option is an option.
type Option struct{}

// The options that the runner gives, all without effect.
func WithReservations() Option                             { return Option{} }
func WithCapacityPerInstance(int) Option                   { return Option{} }
func WithMaxUseCount(int) Option                           { return Option{} }
func WithMaxInstances(int) Option                          { return Option{} }
func WithInstanceGroupSettings(provider.Settings) Option   { return Option{} }
func WithMetricsCollector(any) Option                      { return Option{} }
func WithFleetingMetricsCollector(any) Option              { return Option{} }
func WithInstanceUpFunc(UpFunc) Option                     { return Option{} }
func WithUpdateInterval(time.Duration) Option              { return Option{} }
func WithUpdateIntervalWhenExpecting(time.Duration) Option { return Option{} }
func WithDeletionRetryInterval(time.Duration) Option       { return Option{} }
func WithShutdownDeletionInterval(time.Duration) Option    { return Option{} }
func WithShutdownDeletionRetries(int) Option               { return Option{} }
func WithFailureThreshold(int) Option                      { return Option{} }
func WithLogger(hclog.Logger) Option                       { return Option{} }
func WithScaleThrottle(int, int) Option                    { return Option{} }
func WithReservationThrottling() Option                    { return Option{} }
func WithHeartbeatFunc(HeartbeatFunc) Option               { return Option{} }
func WithStorage(storage.Storage) Option                   { return Option{} }
func WithDeleteInstancesOnShutdown() Option                { return Option{} }
