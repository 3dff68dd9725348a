// Package provider stands in for what the autoscaling executors know of an instance.
package provider

import (
	"errors"
	"time"
)

// ErrLeftOut is what a runner meets whose executor scales.
var ErrLeftOut = errors.New("this build of gitlab-runner leaves out autoscaling: use the executor docker, shell or kubernetes")

// InstanceGroup is a group of instances.
type InstanceGroup interface{}

// Capability is what a plugin can do.
type Capability string

// CapabilitySuspendResume says that instances can be suspended.
const CapabilitySuspendResume Capability = "suspend-resume"

// Protocol with which an instance is spoken to.
type Protocol string

// ConnectorConfig says how to connect to an instance.
type ConnectorConfig struct {
	OS, Arch             string
	Protocol             Protocol
	ProtocolPort         int
	Username, Password   string
	Key                  []byte
	UseStaticCredentials bool
	Keepalive, Timeout   time.Duration
}

// ConnectInfo says how to connect to one instance.
type ConnectInfo struct {
	ConnectorConfig
	ID                         string
	InternalAddr, ExternalAddr string
}

// Settings of a group.
type Settings struct{ ConnectorConfig }
