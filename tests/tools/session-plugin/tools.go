//go:build tools

// Package tools names the program that tests build: AWS's Session Manager plugin, whose repository has no go.mod.
// It needs github.com/twinj/uuid as it was before its first release.
package tools

import _ "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"
