package store

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEncodedKeysComeBackAndSortAsTheirBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 2, 2).Draw(t, "ids")
		a, b := encode(ids[0]), encode(ids[1])
		back, err := decode(a)
		require.NoError(t, err)
		require.True(t, bytes.Equal(ids[0], back))
		require.Equal(t, bytes.Compare(ids[0], ids[1]), bytes.Compare(a, b))
	})
	require.Nil(t, encode(nil), "a filter that is not given stays so")
	require.NotNil(t, encode([]byte{}))
	_, err := decode([]byte("xyz"))
	require.Error(t, err)
}

func TestAPieceNamesItsRowsByALimit(t *testing.T) {
	s := span{table: "timer_tasks", key: "visibility_timestamp, task_id", where: "shard_id = $1", args: []any{1}}
	require.Equal(t, "DELETE FROM timer_tasks WHERE shard_id = $1 AND (visibility_timestamp, task_id) IN "+
		"(SELECT visibility_timestamp, task_id FROM timer_tasks WHERE shard_id = $1 ORDER BY visibility_timestamp, task_id LIMIT $2)", s.delete())
	s.last = true
	require.Contains(t, s.delete(), "ORDER BY visibility_timestamp DESC, task_id DESC LIMIT $2")
}

func TestTimestampsAreThoseOfTheStockStore(t *testing.T) {
	require.Equal(t, time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), toTimestamp(time.Time{}))
	require.Equal(t, time.Unix(1, 2000).UTC(), toTimestamp(time.Unix(1, 2999)))
}
