//go:build tools

// Package tools pins today's container engines, for nodes that have newer ones than Debian: Docker 29's daemon, BuildKit
// from the same module graph with what it runs rootless by, containerd 2.
package tools

import (
	_ "github.com/containerd/containerd/v2/cmd/containerd"
	_ "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
	_ "github.com/containerd/containerd/v2/cmd/ctr"
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
	_ "github.com/moby/moby/v2/cmd/docker-proxy"
	_ "github.com/moby/moby/v2/cmd/dockerd"
	_ "github.com/rootless-containers/rootlesskit/v3/cmd/rootlesskit"
)
