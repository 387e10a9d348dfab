package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/server/common/persistence/sql/sqlplugin"
)

// DSQL modifies at most 3,000 rows and 10 MiB in a transaction (54000). Range deletes of the stock store have no limit: here they run in pieces, each a
// statement and a transaction of its own. A piece names its rows by a subquery with a limit, so that it cannot grow while it runs.

const (
	programLimitExceeded = "54000"
	smallestPiece        = 1
)

// span is a range of rows of one table.
type span struct {
	table string
	key   string // the columns of the primary key after those that where names by equality, which order the range
	where string // with its arguments from $1
	args  []any
	last  bool // from the end of the range instead of its beginning
}

func (s span) columns() []string { return strings.Split(s.key, ", ") }

func (s span) order() string {
	if s.last {
		return strings.Join(s.columns(), " DESC, ") + " DESC"
	}
	return s.key
}

// delete is a statement with one argument more than the range's: how many rows at most. The conditions stand outside the subquery too, so that each
// row is found by its whole key.
func (s span) delete() string {
	return fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s AND (%[3]s) IN (SELECT %[3]s FROM %[1]s WHERE %[2]s ORDER BY %[4]s LIMIT $%[5]d)",
		s.table, s.where, s.key, s.order(), len(s.args)+1)
}

// piece deletes up to limit rows and says how many.
func (s span) piece(ctx context.Context, q querier, limit int) (int, error) {
	args := append(s.args[:len(s.args):len(s.args)], limit)
	result, err := q.ExecContext(ctx, s.delete(), args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// pieces deletes all of it, in transactions of at most limit rows. Where a piece is too large in bytes it takes half as many rows.
func (s span) pieces(ctx context.Context, q querier, limit int) (total int, err error) {
	for {
		n, err := s.piece(ctx, q, limit)
		if sqlState(err) == programLimitExceeded && limit > smallestPiece {
			limit /= 2
			continue
		}
		if err != nil {
			return total, err
		}
		if total += n; n < limit {
			return total, nil
		}
	}
}

// toTimestamp gives a time as the stock store writes it (sqlplugin/postgresql/typeconv.go): in microseconds, and the zero time as the year 1000.
func toTimestamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (d *DB) inPieces(ctx context.Context, s span) (sql.Result, error) {
	n, err := s.pieces(ctx, d.q, d.o.MaxRows)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(n), nil
}

const tasksOfShard = "shard_id = $1 AND task_id >= $2 AND task_id < $3"

// RangeDeleteFromTransferTasks deletes a range in pieces.
func (d *DB) RangeDeleteFromTransferTasks(ctx context.Context, f sqlplugin.TransferTasksRangeFilter) (sql.Result, error) {
	return d.inPieces(ctx, span{table: "transfer_tasks", key: "task_id", where: tasksOfShard, args: []any{f.ShardID, f.InclusiveMinTaskID, f.ExclusiveMaxTaskID}})
}

// RangeDeleteFromReplicationTasks deletes a range in pieces.
func (d *DB) RangeDeleteFromReplicationTasks(ctx context.Context, f sqlplugin.ReplicationTasksRangeFilter) (sql.Result, error) {
	return d.inPieces(ctx, span{table: "replication_tasks", key: "task_id", where: tasksOfShard, args: []any{f.ShardID, f.InclusiveMinTaskID, f.ExclusiveMaxTaskID}})
}

// RangeDeleteFromVisibilityTasks deletes a range in pieces.
func (d *DB) RangeDeleteFromVisibilityTasks(ctx context.Context, f sqlplugin.VisibilityTasksRangeFilter) (sql.Result, error) {
	return d.inPieces(ctx, span{table: "visibility_tasks", key: "task_id", where: tasksOfShard, args: []any{f.ShardID, f.InclusiveMinTaskID, f.ExclusiveMaxTaskID}})
}

// RangeDeleteFromReplicationDLQTasks deletes a range in pieces.
func (d *DB) RangeDeleteFromReplicationDLQTasks(ctx context.Context, f sqlplugin.ReplicationDLQTasksRangeFilter) (sql.Result, error) {
	return d.inPieces(ctx, span{
		table: "replication_tasks_dlq", key: "task_id",
		where: "source_cluster_name = $1 AND shard_id = $2 AND task_id >= $3 AND task_id < $4",
		args:  []any{f.SourceClusterName, f.ShardID, f.InclusiveMinTaskID, f.ExclusiveMaxTaskID},
	})
}

// RangeDeleteFromHistoryImmediateTasks deletes a range in pieces.
func (d *DB) RangeDeleteFromHistoryImmediateTasks(ctx context.Context, f sqlplugin.HistoryImmediateTasksRangeFilter) (sql.Result, error) {
	return d.inPieces(ctx, span{
		table: "history_immediate_tasks", key: "task_id",
		where: "shard_id = $1 AND category_id = $2 AND task_id >= $3 AND task_id < $4",
		args:  []any{f.ShardID, f.CategoryID, f.InclusiveMinTaskID, f.ExclusiveMaxTaskID},
	})
}

// RangeDeleteFromHistoryScheduledTasks deletes a range in pieces.
func (d *DB) RangeDeleteFromHistoryScheduledTasks(ctx context.Context, f sqlplugin.HistoryScheduledTasksRangeFilter) (sql.Result, error) {
	return d.inPieces(ctx, span{
		table: "history_scheduled_tasks", key: "visibility_timestamp, task_id",
		where: "shard_id = $1 AND category_id = $2 AND visibility_timestamp >= $3 AND visibility_timestamp < $4",
		args:  []any{f.ShardID, f.CategoryID, toTimestamp(f.InclusiveMinVisibilityTimestamp), toTimestamp(f.ExclusiveMaxVisibilityTimestamp)},
	})
}

// RangeDeleteFromTimerTasks deletes a range in pieces.
func (d *DB) RangeDeleteFromTimerTasks(ctx context.Context, f sqlplugin.TimerTasksRangeFilter) (sql.Result, error) {
	return d.inPieces(ctx, span{
		table: "timer_tasks", key: "visibility_timestamp, task_id",
		where: "shard_id = $1 AND visibility_timestamp >= $2 AND visibility_timestamp < $3",
		args:  []any{f.ShardID, toTimestamp(f.InclusiveMinVisibilityTimestamp), toTimestamp(f.ExclusiveMaxVisibilityTimestamp)},
	})
}

// RangeDeleteFromMessages deletes a range in pieces.
func (d *DB) RangeDeleteFromMessages(ctx context.Context, f sqlplugin.QueueMessagesRangeFilter) (sql.Result, error) {
	return d.inPieces(ctx, span{
		table: "queue", key: "message_id",
		where: "queue_type = $1 AND message_id > $2 AND message_id <= $3",
		args:  []any{f.QueueType, f.MinMessageID, f.MaxMessageID},
	})
}

// RangeDeleteFromQueueV2Messages deletes a range in pieces.
func (d *DB) RangeDeleteFromQueueV2Messages(ctx context.Context, f sqlplugin.QueueV2MessagesFilter) (sql.Result, error) {
	return d.inPieces(ctx, queueMessages(f))
}

func queueMessages(f sqlplugin.QueueV2MessagesFilter) span {
	return span{
		table: "queue_messages", key: "message_id",
		where: "queue_type = $1 AND queue_name = $2 AND queue_partition = $3 AND message_id >= $4 AND message_id <= $5",
		args:  []any{f.QueueType, f.QueueName, f.Partition, f.MinMessageID, f.MaxMessageID},
	}
}

// RangeDeleteFromHistoryNode deletes the rest of a branch in pieces.
func (d *DB) RangeDeleteFromHistoryNode(ctx context.Context, f sqlplugin.HistoryNodeDeleteFilter) (sql.Result, error) {
	return d.inPieces(ctx, historyNodes(f))
}

func historyNodes(f sqlplugin.HistoryNodeDeleteFilter) span {
	return span{
		table: "history_node", key: "node_id, txn_id",
		where: "shard_id = $1 AND tree_id = $2 AND branch_id = $3 AND node_id >= $4",
		args:  []any{f.ShardID, f.TreeID, f.BranchID, f.MinNodeID},
	}
}

// DeleteFromTasks deletes up to a limit of tasks, in pieces where the limit is larger than one.
func (d *DB) DeleteFromTasks(ctx context.Context, f sqlplugin.TasksFilter) (sql.Result, error) {
	return d.upTo(f.Limit, func(limit *int) (sql.Result, error) {
		f.Limit = limit
		return d.table.DeleteFromTasks(ctx, f)
	})
}

// DeleteFromTasksV2 deletes up to a limit of tasks of fair queues, in pieces where the limit is larger than one.
func (d *DB) DeleteFromTasksV2(ctx context.Context, f sqlplugin.TasksFilterV2) (sql.Result, error) {
	return d.upTo(f.Limit, func(limit *int) (sql.Result, error) {
		f.Limit = limit
		return d.table.DeleteFromTasksV2(ctx, f)
	})
}

func (d *DB) upTo(limit *int, del func(limit *int) (sql.Result, error)) (sql.Result, error) {
	if limit == nil || *limit <= d.o.MaxRows {
		return del(limit)
	}
	total := 0
	for total < *limit {
		piece := min(d.o.MaxRows, *limit-total)
		result, err := del(&piece)
		if err != nil {
			return nil, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return nil, err
		}
		if total += int(n); int(n) < piece {
			break
		}
	}
	return driver.RowsAffected(total), nil
}

// DeleteFromTasks deletes up to a limit of tasks, at most as many as the transaction may. The caller comes again for the rest: it deletes below an acknowledged level.
func (t *Tx) DeleteFromTasks(ctx context.Context, f sqlplugin.TasksFilter) (sql.Result, error) {
	f.Limit = t.atMost(f.Limit)
	return t.table.DeleteFromTasks(ctx, f)
}

// DeleteFromTasksV2 does the same for fair queues.
func (t *Tx) DeleteFromTasksV2(ctx context.Context, f sqlplugin.TasksFilterV2) (sql.Result, error) {
	f.Limit = t.atMost(f.Limit)
	return t.table.DeleteFromTasksV2(ctx, f)
}

func (t *Tx) atMost(limit *int) *int {
	if limit == nil || *limit <= t.o.MaxRows {
		return limit
	}
	most := t.o.MaxRows
	return &most
}
