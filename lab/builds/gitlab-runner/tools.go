//go:build tools

// Package tools pins GitLab Runner and its helper.
package tools

import (
	_ "gitlab.com/gitlab-org/gitlab-runner"
	_ "gitlab.com/gitlab-org/gitlab-runner/apps/gitlab-runner-helper"
)
