//go:build tools

// Package tools names the programs that tests build: docker's buildx, and the registry that holds what it copies.
package tools

import (
	_ "github.com/distribution/distribution/v3/cmd/registry"
	_ "github.com/docker/buildx/cmd/buildx"
)
