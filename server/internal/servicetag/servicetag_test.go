package servicetag_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/metrics/metricstest"
	"go.temporal.io/server/common/primitives"

	"auroral/server/internal/servicetag"
)

func TestTheServicesNameOutlivesFurtherTags(t *testing.T) {
	h := servicetag.Wrap(metrics.NoopMetricsHandler)
	require.Empty(t, servicetag.Of(h))

	h = h.WithTags(metrics.ServiceNameTag(primitives.HistoryService)).WithTags(metrics.StringTag("x", "y"))
	require.Equal(t, "history", servicetag.Of(h))
	require.True(t, servicetag.Owned(h))
	require.Equal(t, "history", servicetag.Of(servicetag.Wrap(h)), "wrapping twice forgets nothing")
	require.Equal(t, "history", servicetag.Of(h.StartBatch("b")))
	require.Equal(t, "history", servicetag.Of(h.StartBatch("b").WithTags(metrics.StringTag("x", "z"))))

	h = h.WithTags(metrics.ServiceNameTag(primitives.MatchingService))
	require.Equal(t, "matching", servicetag.Of(h), "the last one holds")
}

func TestStoresOfTheStartUpAreNotOwned(t *testing.T) {
	h := servicetag.Wrap(metrics.NoopMetricsHandler)
	require.False(t, servicetag.Owned(h))
	require.False(t, servicetag.Owned(h.WithTags(metrics.ServiceNameTag(primitives.ServerService))))
	require.False(t, servicetag.Owned(metrics.NoopMetricsHandler))
	require.Empty(t, servicetag.Of(metrics.NoopMetricsHandler.WithTags(metrics.ServiceNameTag("history"))))
}

func TestMetricsReachTheRegistryBeneath(t *testing.T) {
	capture := metricstest.NewCaptureHandler()
	recording := capture.StartCapture()
	h := servicetag.Wrap(capture).WithTags(metrics.ServiceNameTag(primitives.FrontendService))
	h.Counter("opens").Record(3, metrics.StringTag("reason", "warm"))

	recorded := recording.Snapshot()["opens"]
	require.Len(t, recorded, 1)
	require.Equal(t, int64(3), recorded[0].Value)
	require.Equal(t, map[string]string{"service_name": "frontend", "reason": "warm"}, recorded[0].Tags)
}
