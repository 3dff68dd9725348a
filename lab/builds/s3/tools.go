//go:build tools

// Package tools pins the S3 server in which tests keep Pulumi's state.
package tools

import _ "github.com/versity/versitygw/cmd/versitygw"
