//go:build live

package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	persistencespb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/chasm"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/primitives"
)

const (
	piece    = 10 // rows of one piece in these tests
	overhead = 5  // what a transaction modifies beside them
)

// fill inserts rows by a query over n from 1 to count.
func (p *process) fill(t *testing.T, table, columns, values string, count int, args ...any) {
	t.Helper()
	_, err := p.db.q.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) n", table, columns, values, count), args...)
	require.NoError(t, err)
	p.locked(func() { p.largest = 0 })
}

func (p *process) requireSmallTransactions(t *testing.T) {
	t.Helper()
	require.LessOrEqual(t, p.largestTransaction(), int64(piece+overhead))
	require.NotZero(t, p.largestTransaction())
}

func affected(t *testing.T) func(sql.Result, error) int64 {
	return func(r sql.Result, err error) int64 {
		t.Helper()
		require.NoError(t, err)
		n, err := r.RowsAffected()
		require.NoError(t, err)
		return n
	}
}

// TestRangeDeletesGoInPieces deletes 35 of 45 rows of each table, in transactions of 10.
func TestRangeDeletesGoInPieces(t *testing.T) {
	c := newCluster(t)
	pr := c.start(Options{MaxRows: piece})
	const data = ", data, data_encoding"
	const blobs = ", 'x', 'Proto3'"
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	// All timers are due at the same microsecond: a piece must end between two of them.
	sameTime := "7, '2026-11-01', n" + blobs
	for _, tt := range []struct {
		table, columns, values string
		del                    func() (sql.Result, error)
		left                   int
	}{
		{"transfer_tasks", "shard_id, task_id" + data, "7, n" + blobs, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromTransferTasks(ctx, sqlplugin.TransferTasksRangeFilter{ShardID: 7, InclusiveMinTaskID: 6, ExclusiveMaxTaskID: 41})
		}, 10},
		{"replication_tasks", "shard_id, task_id" + data, "7, n" + blobs, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromReplicationTasks(ctx, sqlplugin.ReplicationTasksRangeFilter{ShardID: 7, InclusiveMinTaskID: 6, ExclusiveMaxTaskID: 41})
		}, 10},
		{"visibility_tasks", "shard_id, task_id" + data, "7, n" + blobs, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromVisibilityTasks(ctx, sqlplugin.VisibilityTasksRangeFilter{ShardID: 7, InclusiveMinTaskID: 6, ExclusiveMaxTaskID: 41})
		}, 10},
		{"replication_tasks_dlq", "source_cluster_name, shard_id, task_id" + data, "'c', 7, n" + blobs, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromReplicationDLQTasks(ctx, sqlplugin.ReplicationDLQTasksRangeFilter{SourceClusterName: "c", ShardID: 7, InclusiveMinTaskID: 6, ExclusiveMaxTaskID: 41})
		}, 10},
		{"history_immediate_tasks", "shard_id, category_id, task_id" + data, "7, 9, n" + blobs, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromHistoryImmediateTasks(ctx, sqlplugin.HistoryImmediateTasksRangeFilter{ShardID: 7, CategoryID: 9, InclusiveMinTaskID: 6, ExclusiveMaxTaskID: 41})
		}, 10},
		{"history_scheduled_tasks", "shard_id, category_id, visibility_timestamp, task_id" + data, "7, 9, '2026-11-01', n" + blobs, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromHistoryScheduledTasks(ctx, sqlplugin.HistoryScheduledTasksRangeFilter{ShardID: 7, CategoryID: 9, InclusiveMinVisibilityTimestamp: at, ExclusiveMaxVisibilityTimestamp: at.Add(time.Second)})
		}, 0},
		{"timer_tasks", "shard_id, visibility_timestamp, task_id" + data, sameTime, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromTimerTasks(ctx, sqlplugin.TimerTasksRangeFilter{ShardID: 7, InclusiveMinVisibilityTimestamp: at, ExclusiveMaxVisibilityTimestamp: at.Add(time.Microsecond)})
		}, 0},
		{"queue", "queue_type, message_id, message_payload, message_encoding", "1, n" + blobs, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromMessages(ctx, sqlplugin.QueueMessagesRangeFilter{QueueType: 1, MinMessageID: 5, MaxMessageID: 40})
		}, 10},
		{"queue_messages", "queue_type, queue_name, queue_partition, message_id, message_payload, message_encoding", "1, 'q', 0, n" + blobs, func() (sql.Result, error) {
			return pr.db.RangeDeleteFromQueueV2Messages(ctx, sqlplugin.QueueV2MessagesFilter{QueueType: 1, QueueName: "q", MinMessageID: 6, MaxMessageID: 40})
		}, 10},
		{"tasks", "range_hash, task_queue_id, task_id" + data, "1, 'ab', n" + blobs, func() (sql.Result, error) {
			below, limit := int64(41), 35
			return pr.db.DeleteFromTasks(ctx, sqlplugin.TasksFilter{RangeHash: 1, TaskQueueID: []byte{0xab}, ExclusiveMaxTaskID: &below, Limit: &limit})
		}, 10},
		{"tasks_v2", "range_hash, task_queue_id, pass, task_id" + data, "1, 'ab', 1, n" + blobs, func() (sql.Result, error) {
			limit := 35
			return pr.db.DeleteFromTasksV2(ctx, sqlplugin.TasksFilterV2{RangeHash: 1, TaskQueueID: []byte{0xab}, ExclusiveMaxLevel: &sqlplugin.FairLevel{TaskPass: 1, TaskID: 41}, Limit: &limit})
		}, 10},
	} {
		t.Run(tt.table, func(t *testing.T) {
			pr.fill(t, tt.table, tt.columns, tt.values, 45)
			require.Equal(t, int64(45-tt.left), affected(t)(tt.del()))
			require.Equal(t, tt.left, pr.count(t, tt.table))
			pr.requireSmallTransactions(t)
		})
	}
}

// branch makes one, and how a process deletes it.
func (p *process) branch(t *testing.T, nodes int) (del func(context.Context, *process) error) {
	b := &persistencespb.HistoryBranch{TreeId: primitives.NewUUID().String(), BranchId: primitives.NewUUID().String()}
	_, err := p.db.q.ExecContext(ctx, "INSERT INTO history_tree (shard_id, tree_id, branch_id, data, data_encoding) VALUES (7, $1, $2, 'x', 'Proto3')", b.TreeId, b.BranchId)
	require.NoError(t, err)
	// Two transactions wrote each node.
	p.fill(t, "history_node", "shard_id, tree_id, branch_id, node_id, txn_id, data, data_encoding", "7, $1::uuid, $2::uuid, (n+1)/2, -n, 'x', 'Proto3'", nodes, b.TreeId, b.BranchId)
	return func(ctx context.Context, p *process) error {
		return must[persistence.ExecutionStore](t)(p.NewExecutionStore()).DeleteHistoryBranch(ctx, &persistence.InternalDeleteHistoryBranchRequest{
			ShardID: 7, BranchInfo: b, BranchRanges: []persistence.InternalDeleteHistoryBranchRange{{BranchId: b.BranchId, BeginNodeId: 3}},
		})
	}
}

func TestALongBranchIsDeletedFromItsEnd(t *testing.T) {
	pr := newCluster(t).start(Options{MaxRows: piece})
	for _, nodes := range []int{0, 4, 13, 14, 15, 57} { // 4 rows are of the nodes that another branch uses
		del := pr.branch(t, nodes)
		require.NoError(t, del(ctx, pr))
		require.Equal(t, min(nodes, 4), pr.count(t, "history_node"), "%d", nodes)
		require.Zero(t, pr.count(t, "history_tree"))
		if nodes > 0 {
			pr.requireSmallTransactions(t)
		}
		_, err := pr.db.q.ExecContext(ctx, "DELETE FROM history_node")
		require.NoError(t, err)
	}
}

// TestAnInterruptedBranchIsFoundAgain stops the delete at each of its statements.
func TestAnInterruptedBranchIsFoundAgain(t *testing.T) {
	c := newCluster(t)
	pr := c.start(Options{MaxRows: piece})
	for stop := 1; ; stop++ {
		del := pr.branch(t, 44)
		interrupted, cancel := context.WithCancel(ctx)
		statements := 0
		victim := c.start(Options{MaxRows: piece}) // Temporal throws a store's connections away when one is cut
		victim.before = func(string) {
			if statements++; statements == stop {
				cancel()
			}
		}
		err := del(interrupted, victim)
		cancel()
		if err == nil {
			require.Greater(t, stop, 6, "a delete of so many statements was to be stopped")
			break
		}
		require.Equal(t, 1, pr.count(t, "history_tree"), "the branch would be lost at statement %d", stop)
		var last, rows int
		require.NoError(t, pr.db.q.GetContext(ctx, &last, "SELECT max(node_id) FROM history_node"))
		rows = pr.count(t, "history_node")
		require.Equal(t, (rows+1)/2, last, "a hole after statement %d", stop)
		require.NoError(t, del(ctx, pr))
		require.Equal(t, 4, pr.count(t, "history_node"))
		require.Zero(t, pr.count(t, "history_tree"))
		_, err = pr.db.q.ExecContext(ctx, "DELETE FROM history_node")
		require.NoError(t, err)
	}
}

func TestTooManyLongDeletesAreSentBack(t *testing.T) {
	pr := newCluster(t).start(Options{MaxRows: piece})
	del := pr.branch(t, 44)
	for range longDeletes {
		pr.db.long <- struct{}{}
	}
	var unavailable *serviceerror.Unavailable
	require.ErrorAs(t, del(ctx, pr), &unavailable)
	require.Equal(t, 44, pr.count(t, "history_node"))
	<-pr.db.long
	require.NoError(t, del(ctx, pr))
	require.Equal(t, 4, pr.count(t, "history_node"))
	require.Len(t, pr.db.long, longDeletes-1)
}

func TestAnExecutionWithMuchPendingWorkIsDeleted(t *testing.T) {
	pr := newCluster(t).start(Options{MaxRows: piece})
	executions := must[persistence.ExecutionStore](t)(pr.NewExecutionStore())
	run := primitives.NewUUID()
	fill := func() {
		const of = "shard_id, namespace_id, workflow_id, run_id, "
		const who = "7, $1::uuid, 'w', $2::uuid, "
		for _, table := range []struct{ name, columns, values string }{
			{"activity_info_maps", "schedule_id, data", "n, 'x'"},
			{"timer_info_maps", "timer_id, data", "'t' || n, 'x'"},
			{"child_execution_info_maps", "initiated_id, data", "n, 'x'"},
			{"request_cancel_info_maps", "initiated_id, data", "n, 'x'"},
			{"signal_info_maps", "initiated_id, data", "n, 'x'"},
			{"signals_requested_sets", "signal_id", "'s' || n"},
			{"chasm_node_maps", "chasm_path, metadata", "to_hex(n), 'x'"},
			{"buffered_events", "data, data_encoding", "'x', 'Proto3'"},
		} {
			pr.fill(t, table.name, of+table.columns, who+table.values, 23, namespaceID, run.String())
		}
		pr.fill(t, "executions", of+"next_event_id, last_write_version, data, data_encoding, state, state_encoding", who+"1, 1, 'x', 'Proto3', 'x', 'Proto3'", 1, namespaceID, run.String())
	}
	tables := []string{"activity_info_maps", "timer_info_maps", "child_execution_info_maps", "request_cancel_info_maps", "signal_info_maps", "signals_requested_sets", "chasm_node_maps", "buffered_events", "executions"}
	fill()
	require.NoError(t, executions.DeleteWorkflowExecution(ctx, &persistence.DeleteWorkflowExecutionRequest{ShardID: 7, NamespaceID: namespaceID, WorkflowID: "w", RunID: run.String()}))
	for _, table := range tables {
		require.Zero(t, pr.count(t, table), table)
	}
	require.LessOrEqual(t, pr.largestTransaction(), int64(piece+len(tables))) // each table gets at least one row's room

	// What an owner writes anew it clears in one transaction or not at all.
	c := &cluster{t: t}
	c.newShard(pr, 1)
	fill()
	pieces := 0
	pr.before = func(query string) {
		if strings.Contains(query, "LIMIT") {
			pieces++
		}
	}
	tx := must[sqlplugin.Tx](t)(pr.db.BeginTx(ctx))
	must[int64](t)(tx.ReadLockShards(ctx, sqlplugin.ShardsFilter{ShardID: shardID}))
	require.Equal(t, int64(23), affected(t)(tx.DeleteAllFromTimerInfoMaps(ctx, sqlplugin.TimerInfoMapsAllFilter{ShardID: 7, NamespaceID: primitives.MustParseUUID(namespaceID), WorkflowID: "w", RunID: run})))
	require.NoError(t, tx.Rollback())
	pr.before = nil
	require.Zero(t, pieces)
	require.Equal(t, 23, pr.count(t, "timer_info_maps"))
}

func TestALongRangeOfAQueueIsDeleted(t *testing.T) {
	pr := newCluster(t).start(Options{MaxRows: piece})
	queue := must[persistence.QueueV2](t)(pr.NewQueueV2())
	must[*persistence.InternalCreateQueueResponse](t)(queue.CreateQueue(ctx, &persistence.InternalCreateQueueRequest{QueueType: 1, QueueName: "q"}))
	pr.fill(t, "queue_messages", "queue_type, queue_name, queue_partition, message_id, message_payload, message_encoding", "1, 'q', 0, n-1, 'x', 'Proto3'", 45)
	got := must[*persistence.InternalRangeDeleteMessagesResponse](t)(queue.RangeDeleteMessages(ctx, &persistence.InternalRangeDeleteMessagesRequest{
		QueueType: 1, QueueName: "q", InclusiveMaxMessageMetadata: persistence.MessageMetadata{ID: 40},
	}))
	require.Equal(t, int64(41), got.MessagesDeleted)
	require.Equal(t, 4, pr.count(t, "queue_messages"))
	pr.requireSmallTransactions(t)

	// The last id is found without a lock, and its queue's alone.
	must[*persistence.InternalEnqueueMessageResponse](t)(queue.EnqueueMessage(ctx, &persistence.InternalEnqueueMessageRequest{QueueType: 1, QueueName: "q", Blob: blob}))
	require.Equal(t, 1, pr.count(t, "queue_messages WHERE message_id = 45"))
	pr.fill(t, "queue", "queue_type, message_id, message_payload, message_encoding", "n, 100 * n, 'x', 'Proto3'", 2)
	require.Equal(t, int64(100), must[int64](t)(pr.db.GetLastEnqueuedMessageIDForUpdate(ctx, 1)))
}

// TestLockingTheCurrentExecution reads what the stock join reads.
func TestLockingTheCurrentExecution(t *testing.T) {
	c := newCluster(t)
	pr := c.start(Options{})
	c.newShard(pr, 1)
	executions := must[persistence.ExecutionStore](t)(pr.NewExecutionStore())
	run := primitives.NewUUID().String()
	must[*persistence.InternalCreateWorkflowExecutionResponse](t)(executions.CreateWorkflowExecution(ctx, creation(1, "w", run)))
	_, err := pr.db.q.ExecContext(ctx, "UPDATE executions SET last_write_version = 42")
	require.NoError(t, err)
	filter := sqlplugin.CurrentExecutionsFilter{ShardID: shardID, NamespaceID: primitives.MustParseUUID(namespaceID), WorkflowID: "w", ArchetypeID: chasm.WorkflowArchetypeID}
	stock := must[[]sqlplugin.CurrentExecutionsRow](t)(pr.db.inner.LockCurrentExecutionsJoinExecutions(ctx, filter))
	ours := must[[]sqlplugin.CurrentExecutionsRow](t)(pr.db.LockCurrentExecutionsJoinExecutions(ctx, filter))
	require.Equal(t, stock, ours)
	require.Equal(t, int64(42), ours[0].LastWriteVersion)
	filter.WorkflowID = "none"
	require.Empty(t, must[[]sqlplugin.CurrentExecutionsRow](t)(pr.db.LockCurrentExecutionsJoinExecutions(ctx, filter)))
	_, err = pr.db.q.ExecContext(ctx, "DELETE FROM executions")
	require.NoError(t, err)
	filter.WorkflowID = "w"
	require.Empty(t, must[[]sqlplugin.CurrentExecutionsRow](t)(pr.db.LockCurrentExecutionsJoinExecutions(ctx, filter)))
}
