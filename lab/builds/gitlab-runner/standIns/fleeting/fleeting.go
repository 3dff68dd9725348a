// Package fleeting stands in for gitlab.com/gitlab-org/fleeting/fleeting, which makes and removes the virtual machines of
// the autoscaling executors (docker-autoscaler, instance). The module proxy does not hand it out. It refuses by name.
package fleeting

import (
	"github.com/hashicorp/go-hclog"
	"gitlab.com/gitlab-org/fleeting/fleeting/provider"
)

// Cause is why an instance is there.
type Cause int

// CausePreexisted says that an instance was there before the runner.
const CausePreexisted Cause = 1

// PluginOption is an option of a plugin.
type PluginOption struct{}

// WithPluginLogger is an option.
func WithPluginLogger(hclog.Logger) PluginOption { return PluginOption{} }

// Plugin is never made.
type Plugin struct{}

// RunPlugin refuses.
func RunPlugin(string, []byte, ...PluginOption) (*Plugin, error) { return nil, provider.ErrLeftOut }

// InstanceGroup is none.
func (*Plugin) InstanceGroup() provider.InstanceGroup { return nil }

// Kill has nothing to end.
func (*Plugin) Kill() {}
