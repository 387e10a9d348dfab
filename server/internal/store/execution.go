package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/primitives"
)

// Deletes inside a transaction that may find more rows than it may modify: a branch of the history, a range of a queue, the state of an execution.
//
// The transaction deletes as many rows as it may. What is left beyond them is deleted first, in pieces that commit on their own, over a second connection; the
// transaction commits last. The rows are different ones, so they do not conflict. A delete with nothing left, which is nearly every one,
// costs the one statement that it costs stock.
//
// Interrupted, some rows are gone that the transaction would have deleted with the rest. For each caller that is safe:
//
//   - A branch of the history (DeleteHistoryBranch): its row in history_tree is deleted by the transaction, last. While it is there the task that deletes the
//     workflow comes again, and the history scavenger finds the branch. Nobody reads it: its execution is deleted before it, or was never made. The range begins
//     where no other branch uses the nodes. The end goes first, so that a reader who comes late finds a shorter history rather than one with a hole.
//   - A range of a queue (RangeDeleteMessages): the beginning goes first, as if a smaller range had been deleted. The queue's smallest id is written by the transaction and
//     is then too small: reads go from there to the next message that exists, and the next range delete sets it right. Only the count of messages is too high until then.
//   - The state of an execution (DeleteWorkflowExecution): the execution's own row is deleted by the transaction, last, so that the delete is tried again. Until then
//     a closed execution that is being deleted shows less pending work. The same methods also clear a state that is written anew (ConflictResolve, Set): those transactions
//     read the shard's range id first, and are left alone, since losing half of that state would be wrong. What keeps them below the limit is
//     configuration: docs/dsql-audit.md.

// large deletes a range in the transaction.
func (t *Tx) large(ctx context.Context, s span) (sql.Result, error) {
	room := max(t.o.MaxRows-t.deleted, 1)
	n, err := s.piece(ctx, t.q, room)
	if err != nil {
		return nil, err
	}
	t.deleted += n
	if n < room {
		return driver.RowsAffected(n), nil
	}
	rest, err := t.beyond(ctx, s)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(n + rest), nil
}

// beyond deletes what the transaction left of a range.
func (t *Tx) beyond(ctx context.Context, s span) (int, error) {
	// The transaction sees its own deletes: the first row that is left bounds the range.
	bound, found, err := t.first(ctx, s)
	if err != nil || !found {
		return 0, err
	}
	// Waiting for a place would hold a connection that others wait for. The caller is retried.
	select {
	case t.db.long <- struct{}{}:
		defer func() { <-t.db.long }()
	default:
		return 0, serviceerror.NewUnavailable("dsql: too many long deletes at once, this one has to wait")
	}
	return bound.pieces(ctx, t.db.q, t.o.MaxRows)
}

// first gives the range from the first row that is left on, to be deleted from the other end.
func (t *Tx) first(ctx context.Context, s span) (bound span, found bool, err error) {
	bound = s
	bound.last = !s.last
	from := ">="
	if s.last {
		from = "<="
	}
	bound.args = s.args[:len(s.args):len(s.args)]
	var places []string
	for _, column := range s.columns() {
		var value any
		err := t.q.GetContext(ctx, &value, "SELECT "+column+" FROM "+s.table+" WHERE "+s.where+" ORDER BY "+s.order()+" LIMIT 1", s.args...)
		if errors.Is(err, sql.ErrNoRows) {
			return span{}, false, nil
		} else if err != nil {
			return span{}, false, err
		}
		bound.args = append(bound.args, value)
		places = append(places, fmt.Sprintf("$%d", len(bound.args)))
	}
	bound.where += " AND (" + s.key + ") " + from + " (" + strings.Join(places, ", ") + ")"
	return bound, true, nil
}

// RangeDeleteFromHistoryNode deletes the rest of a branch: its beginning in the transaction, its end before it.
func (t *Tx) RangeDeleteFromHistoryNode(ctx context.Context, f sqlplugin.HistoryNodeDeleteFilter) (sql.Result, error) {
	return t.large(ctx, historyNodes(f))
}

// RangeDeleteFromQueueV2Messages deletes a range of a queue: its end in the transaction, its beginning before it.
func (t *Tx) RangeDeleteFromQueueV2Messages(ctx context.Context, f sqlplugin.QueueV2MessagesFilter) (sql.Result, error) {
	s := queueMessages(f)
	s.last = true
	return t.large(ctx, s)
}

// ofExecution deletes all rows of a table that belong to an execution.
func (t *Tx) ofExecution(
	ctx context.Context, table, key string, shardID int32, namespaceID primitives.UUID, workflowID string, runID primitives.UUID, stock func() (sql.Result, error),
) (sql.Result, error) {
	if t.fenced {
		return stock()
	}
	return t.large(ctx, span{
		table: table, key: key,
		where: "shard_id = $1 AND namespace_id = $2 AND workflow_id = $3 AND run_id = $4",
		args:  []any{shardID, namespaceID, workflowID, runID},
	})
}

// DeleteAllFromActivityInfoMaps deletes an execution's rows.
func (t *Tx) DeleteAllFromActivityInfoMaps(ctx context.Context, f sqlplugin.ActivityInfoMapsAllFilter) (sql.Result, error) {
	return t.ofExecution(ctx, "activity_info_maps", "schedule_id", f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID, func() (sql.Result, error) {
		return t.table.DeleteAllFromActivityInfoMaps(ctx, f)
	})
}

// DeleteAllFromTimerInfoMaps deletes an execution's rows.
func (t *Tx) DeleteAllFromTimerInfoMaps(ctx context.Context, f sqlplugin.TimerInfoMapsAllFilter) (sql.Result, error) {
	return t.ofExecution(ctx, "timer_info_maps", "timer_id", f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID, func() (sql.Result, error) {
		return t.table.DeleteAllFromTimerInfoMaps(ctx, f)
	})
}

// DeleteAllFromChildExecutionInfoMaps deletes an execution's rows.
func (t *Tx) DeleteAllFromChildExecutionInfoMaps(ctx context.Context, f sqlplugin.ChildExecutionInfoMapsAllFilter) (sql.Result, error) {
	return t.ofExecution(ctx, "child_execution_info_maps", "initiated_id", f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID, func() (sql.Result, error) {
		return t.table.DeleteAllFromChildExecutionInfoMaps(ctx, f)
	})
}

// DeleteAllFromRequestCancelInfoMaps deletes an execution's rows.
func (t *Tx) DeleteAllFromRequestCancelInfoMaps(ctx context.Context, f sqlplugin.RequestCancelInfoMapsAllFilter) (sql.Result, error) {
	return t.ofExecution(ctx, "request_cancel_info_maps", "initiated_id", f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID, func() (sql.Result, error) {
		return t.table.DeleteAllFromRequestCancelInfoMaps(ctx, f)
	})
}

// DeleteAllFromSignalInfoMaps deletes an execution's rows.
func (t *Tx) DeleteAllFromSignalInfoMaps(ctx context.Context, f sqlplugin.SignalInfoMapsAllFilter) (sql.Result, error) {
	return t.ofExecution(ctx, "signal_info_maps", "initiated_id", f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID, func() (sql.Result, error) {
		return t.table.DeleteAllFromSignalInfoMaps(ctx, f)
	})
}

// DeleteAllFromSignalsRequestedSets deletes an execution's rows.
func (t *Tx) DeleteAllFromSignalsRequestedSets(ctx context.Context, f sqlplugin.SignalsRequestedSetsAllFilter) (sql.Result, error) {
	return t.ofExecution(ctx, "signals_requested_sets", "signal_id", f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID, func() (sql.Result, error) {
		return t.table.DeleteAllFromSignalsRequestedSets(ctx, f)
	})
}

// DeleteAllFromChasmNodeMaps deletes an execution's rows.
func (t *Tx) DeleteAllFromChasmNodeMaps(ctx context.Context, f sqlplugin.ChasmNodeMapsAllFilter) (sql.Result, error) {
	return t.ofExecution(ctx, "chasm_node_maps", "chasm_path", f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID, func() (sql.Result, error) {
		return t.table.DeleteAllFromChasmNodeMaps(ctx, f)
	})
}

// DeleteFromBufferedEvents deletes an execution's rows.
func (t *Tx) DeleteFromBufferedEvents(ctx context.Context, f sqlplugin.BufferedEventsFilter) (sql.Result, error) {
	return t.ofExecution(ctx, "buffered_events", "id", f.ShardID, f.NamespaceID, f.WorkflowID, f.RunID, func() (sql.Result, error) {
		return t.table.DeleteFromBufferedEvents(ctx, f)
	})
}
