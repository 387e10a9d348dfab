// Package servicetag lets a store learn for which service it was opened.
//
// Temporal opens short-lived stores while it starts: the schema check, the cluster metadata, the system namespaces. A SQL
// plugin sees of each only its metrics handler. The service's own store gets a handler tagged with the service's name;
// those of the start-up get one tagged "server", or one without any name. The wrapper keeps that tag readable.
package servicetag

import (
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/primitives"
)

// serviceNameKey is the tag's key: metrics.ServiceNameTag owns it, and keeps it private.
var serviceNameKey = metrics.ServiceNameTag(primitives.ServerService).Key

type handler struct {
	metrics.Handler
	service string
}

// Wrap gives a handler that remembers the last service-name tag it was given.
func Wrap(h metrics.Handler) metrics.Handler {
	if wrapped, ok := h.(*handler); ok {
		return wrapped
	}
	return &handler{Handler: h}
}

// Of gives the service's name that the handler carries, or "" where it is not wrapped or was given none.
func Of(h metrics.Handler) string {
	switch wrapped := h.(type) {
	case *handler:
		return wrapped.service
	case *batch:
		return wrapped.service
	}
	return ""
}

// Owned says whether the handler is that of a service's own store, not of one that the start-up opens for a moment.
func Owned(h metrics.Handler) bool {
	name := Of(h)
	return name != "" && name != string(primitives.ServerService)
}

// WithTags adds tags, and keeps the service's name if it is among them.
func (h *handler) WithTags(tags ...metrics.Tag) metrics.Handler {
	return &handler{Handler: h.Handler.WithTags(tags...), service: lastService(h.service, tags)}
}

// StartBatch gives a batch that remembers the name too.
func (h *handler) StartBatch(name string) metrics.BatchHandler {
	return &batch{BatchHandler: h.Handler.StartBatch(name), service: h.service}
}

type batch struct {
	metrics.BatchHandler
	service string
}

// WithTags adds tags, and keeps the service's name if it is among them.
func (b *batch) WithTags(tags ...metrics.Tag) metrics.Handler {
	return &handler{Handler: b.BatchHandler.WithTags(tags...), service: lastService(b.service, tags)}
}

func lastService(service string, tags []metrics.Tag) string {
	for _, tag := range tags {
		if tag.Key == serviceNameKey {
			service = tag.Value
		}
	}
	return service
}
