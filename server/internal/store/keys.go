package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"slices"

	"go.temporal.io/server/common/persistence/sql/sqlplugin"
)

// DSQL refuses bytea in a key. UUIDs are of type UUID there, which takes 16 bytes as they are; internal/replay gives them back so. A task
// queue's id and a CHASM node's path are any bytes: they are kept as hexadecimal text, which sorts as the bytes do.

// encode gives what the column holds. It stays a []byte, as which the stock store's fields are declared; nil stays nil, since that means "not given".
func encode(id []byte) []byte {
	if id == nil {
		return nil
	}
	return hex.AppendEncode(make([]byte, 0, hex.EncodedLen(len(id))), id)
}

func decode(text []byte) ([]byte, error) { return hex.AppendDecode(nil, text) }

// InsertIntoTasks inserts tasks.
func (t table) InsertIntoTasks(ctx context.Context, rows []sqlplugin.TasksRow) (sql.Result, error) {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].TaskQueueID = encode(rows[i].TaskQueueID)
	}
	return t.TableCRUD.InsertIntoTasks(ctx, rows)
}

// SelectFromTasks reads tasks.
func (t table) SelectFromTasks(ctx context.Context, f sqlplugin.TasksFilter) ([]sqlplugin.TasksRow, error) {
	f.TaskQueueID = encode(f.TaskQueueID)
	return t.TableCRUD.SelectFromTasks(ctx, f)
}

// DeleteFromTasks deletes up to a limit of tasks.
func (t table) DeleteFromTasks(ctx context.Context, f sqlplugin.TasksFilter) (sql.Result, error) {
	f.TaskQueueID = encode(f.TaskQueueID)
	return t.TableCRUD.DeleteFromTasks(ctx, f)
}

// InsertIntoTasksV2 inserts tasks of fair queues.
func (t table) InsertIntoTasksV2(ctx context.Context, rows []sqlplugin.TasksRowV2) (sql.Result, error) {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].TaskQueueID = encode(rows[i].TaskQueueID)
	}
	return t.TableCRUD.InsertIntoTasksV2(ctx, rows)
}

// SelectFromTasksV2 reads tasks of fair queues.
func (t table) SelectFromTasksV2(ctx context.Context, f sqlplugin.TasksFilterV2) ([]sqlplugin.TasksRowV2, error) {
	f.TaskQueueID = encode(f.TaskQueueID)
	return t.TableCRUD.SelectFromTasksV2(ctx, f)
}

// DeleteFromTasksV2 deletes up to a limit of tasks of fair queues.
func (t table) DeleteFromTasksV2(ctx context.Context, f sqlplugin.TasksFilterV2) (sql.Result, error) {
	f.TaskQueueID = encode(f.TaskQueueID)
	return t.TableCRUD.DeleteFromTasksV2(ctx, f)
}

func encodeQueue(row *sqlplugin.TaskQueuesRow) *sqlplugin.TaskQueuesRow {
	c := *row
	c.TaskQueueID = encode(c.TaskQueueID)
	return &c
}

func encodeQueueFilter(f sqlplugin.TaskQueuesFilter) sqlplugin.TaskQueuesFilter {
	f.TaskQueueID, f.TaskQueueIDGreaterThan = encode(f.TaskQueueID), encode(f.TaskQueueIDGreaterThan)
	return f
}

// InsertIntoTaskQueues inserts a task queue.
func (t table) InsertIntoTaskQueues(ctx context.Context, row *sqlplugin.TaskQueuesRow, v sqlplugin.MatchingTaskVersion) (sql.Result, error) {
	return t.TableCRUD.InsertIntoTaskQueues(ctx, encodeQueue(row), v)
}

// UpdateTaskQueues updates a task queue.
func (t table) UpdateTaskQueues(ctx context.Context, row *sqlplugin.TaskQueuesRow, v sqlplugin.MatchingTaskVersion) (sql.Result, error) {
	return t.TableCRUD.UpdateTaskQueues(ctx, encodeQueue(row), v)
}

// SelectFromTaskQueues reads one task queue, or a page of them.
func (t table) SelectFromTaskQueues(ctx context.Context, f sqlplugin.TaskQueuesFilter, v sqlplugin.MatchingTaskVersion) ([]sqlplugin.TaskQueuesRow, error) {
	rows, err := t.TableCRUD.SelectFromTaskQueues(ctx, encodeQueueFilter(f), v)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].TaskQueueID, err = decode(rows[i].TaskQueueID); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// DeleteFromTaskQueues deletes a task queue.
func (t table) DeleteFromTaskQueues(ctx context.Context, f sqlplugin.TaskQueuesFilter, v sqlplugin.MatchingTaskVersion) (sql.Result, error) {
	return t.TableCRUD.DeleteFromTaskQueues(ctx, encodeQueueFilter(f), v)
}

// LockTaskQueues reads a task queue's range id under a lock.
func (t table) LockTaskQueues(ctx context.Context, f sqlplugin.TaskQueuesFilter, v sqlplugin.MatchingTaskVersion) (int64, error) {
	return t.TableCRUD.LockTaskQueues(ctx, encodeQueueFilter(f), v)
}

// SelectAllFromChasmNodeMaps reads an execution's CHASM nodes.
func (t table) SelectAllFromChasmNodeMaps(ctx context.Context, f sqlplugin.ChasmNodeMapsAllFilter) ([]sqlplugin.ChasmNodeMapsRow, error) {
	rows, err := t.TableCRUD.SelectAllFromChasmNodeMaps(ctx, f)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		path, err := hex.DecodeString(rows[i].ChasmPath)
		if err != nil {
			return nil, err
		}
		rows[i].ChasmPath = string(path)
	}
	return rows, nil
}

// ReplaceIntoChasmNodeMaps writes CHASM nodes.
func (t table) ReplaceIntoChasmNodeMaps(ctx context.Context, rows []sqlplugin.ChasmNodeMapsRow) (sql.Result, error) {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].ChasmPath = hex.EncodeToString([]byte(rows[i].ChasmPath))
	}
	return t.TableCRUD.ReplaceIntoChasmNodeMaps(ctx, rows)
}

// DeleteFromChasmNodeMaps deletes CHASM nodes.
func (t table) DeleteFromChasmNodeMaps(ctx context.Context, f sqlplugin.ChasmNodeMapsFilter) (sql.Result, error) {
	f.ChasmPaths = slices.Clone(f.ChasmPaths)
	for i := range f.ChasmPaths {
		f.ChasmPaths[i] = hex.EncodeToString([]byte(f.ChasmPaths[i]))
	}
	return t.TableCRUD.DeleteFromChasmNodeMaps(ctx, f)
}
