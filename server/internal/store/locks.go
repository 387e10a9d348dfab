package store

import (
	"context"
	"database/sql"
	"errors"

	"auroral/server/internal/fence"

	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
)

// DSQL locks FOR UPDATE only rows of one table that are named by equality on every column of its key, and refuses FOR SHARE and FOR NO KEY
// UPDATE (user guide, "Supported SQL").

const (
	lockExecution        = ` FROM executions WHERE shard_id = $1 AND namespace_id = $2 AND workflow_id = $3 AND run_id = $4 FOR UPDATE`
	lockExecutionVersion = `SELECT db_record_version, next_event_id` + lockExecution
	lockLastWriteVersion = `SELECT last_write_version` + lockExecution

	lastMessageID   = `SELECT message_id FROM queue WHERE queue_type = $1 ORDER BY message_id DESC LIMIT 1`
	lastMessageIDV2 = `SELECT message_id FROM queue_messages WHERE queue_type = $1 AND queue_name = $2 AND queue_partition = $3 ORDER BY message_id DESC LIMIT 1`
)

// ReadLockShards reads a shard's range id under the fence.
func (t table) ReadLockShards(ctx context.Context, f sqlplugin.ShardsFilter) (int64, error) {
	return t.o.Fence.Read(ctx, t.q, f.ShardID)
}

// ReadLockShards reads a shard's range id under the fence, and notes that this transaction is an owner's write.
func (t *Tx) ReadLockShards(ctx context.Context, f sqlplugin.ShardsFilter) (int64, error) {
	t.fenced = true
	return t.table.ReadLockShards(ctx, f)
}

// WriteLockShards locks a shard to write it, and remembers its range id.
func (t *Tx) WriteLockShards(ctx context.Context, f sqlplugin.ShardsFilter) (int64, error) {
	rangeID, err := t.table.WriteLockShards(ctx, f)
	if err == nil {
		if t.shards == nil {
			t.shards = map[int32]int64{}
		}
		t.shards[f.ShardID] = rangeID
	}
	return rangeID, err
}

// UpdateShards writes a shard. Where the range id changes the shard is taken over: its fence row is replaced, whatever fence this process reads. A shard's owner
// writes it often under the same range id; that leaves the fence alone. InsertIntoShards needs none: a new shard is taken over before it is
// written to, and without a fence row its own row is locked.
func (t *Tx) UpdateShards(ctx context.Context, row *sqlplugin.ShardsRow) (sql.Result, error) {
	result, err := t.table.UpdateShards(ctx, row)
	if err != nil {
		return nil, err
	}
	if before, locked := t.shards[row.ShardID]; !locked || before != row.RangeID {
		if err := fence.Replace(ctx, t.q, row.ShardID, row.RangeID); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// ReadLockExecutions reads an execution's version under a lock: FOR UPDATE, since FOR SHARE is refused. No store of Temporal 1.32 calls it.
func (t table) ReadLockExecutions(ctx context.Context, f sqlplugin.ExecutionsFilter) (int64, int64, error) {
	var v sqlplugin.ExecutionVersion
	err := t.q.GetContext(ctx, &v, lockExecutionVersion, f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID)
	return v.DBRecordVersion, v.NextEventID, err
}

// LockCurrentExecutionsJoinExecutions locks the current execution of a workflow id, and that execution. Stock it is one statement over a join; here two, each by
// the whole key of its table: the first gives the run id that the second needs. Both see the same snapshot, so together they read what the join reads.
func (t table) LockCurrentExecutionsJoinExecutions(ctx context.Context, f sqlplugin.CurrentExecutionsFilter) ([]sqlplugin.CurrentExecutionsRow, error) {
	row, err := t.LockCurrentExecutions(ctx, f)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	err = t.q.GetContext(ctx, &row.LastWriteVersion, lockLastWriteVersion, row.ShardID, row.NamespaceID, row.WorkflowID, row.RunID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return []sqlplugin.CurrentExecutionsRow{*row}, nil
}

// GetLastEnqueuedMessageIDForUpdate reads the last message's id, without a lock: stock it locks by a range, which DSQL refuses.
//
// The lock is not needed. The caller inserts the next id in the same transaction, and the key makes two transactions that read the same last id conflict: one
// insert fails or is refused at its commit, and the caller's retry reads anew. A delete of the last message beside it is as if it had come before
// or after. The stock statement also finds messages of other queue types with larger ids; this one does not.
func (t table) GetLastEnqueuedMessageIDForUpdate(ctx context.Context, queueType persistence.QueueType) (id int64, err error) {
	err = t.q.GetContext(ctx, &id, lastMessageID, queueType)
	return id, err
}

// GetLastEnqueuedMessageIDForUpdateV2 does the same for queues of the second version. There the last message is never deleted, so ids do not come back.
func (t table) GetLastEnqueuedMessageIDForUpdateV2(ctx context.Context, f sqlplugin.QueueV2Filter) (id int64, err error) {
	err = t.q.GetContext(ctx, &id, lastMessageIDV2, f.QueueType, f.QueueName, f.Partition)
	return id, err
}
