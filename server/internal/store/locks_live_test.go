//go:build live

package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auroral/server/internal/fence"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	enumsspb "go.temporal.io/server/api/enums/v1"
	persistencespb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/chasm"
	p "go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/primitives"
)

const shardID = int32(7)

var (
	namespaceID = primitives.NewUUID().String()
	blob        = p.NewDataBlob([]byte("data"), enumspb.ENCODING_TYPE_PROTO3.String())
)

func (c *cluster) newShard(pr *process, rangeID int64) p.ShardStore {
	shards := must[p.ShardStore](c.t)(pr.NewShardStore())
	must[*p.InternalGetOrCreateShardResponse](c.t)(shards.GetOrCreateShard(ctx, &p.InternalGetOrCreateShardRequest{
		ShardID: shardID, CreateShardInfo: func() (int64, *commonpb.DataBlob, error) { return rangeID, blob, nil },
	}))
	return shards
}

func takeOver(shards p.ShardStore, from int64) error {
	return shards.UpdateShard(ctx, &p.InternalUpdateShardRequest{ShardID: shardID, PreviousRangeID: from, RangeID: from + 1, ShardInfo: blob})
}

func state(runID string) *persistencespb.WorkflowExecutionState {
	return &persistencespb.WorkflowExecutionState{
		RunId: runID, CreateRequestId: "request", State: enumsspb.WORKFLOW_EXECUTION_STATE_RUNNING, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
	}
}

func creation(rangeID int64, workflowID, runID string) *p.InternalCreateWorkflowExecutionRequest {
	return &p.InternalCreateWorkflowExecutionRequest{
		ShardID: shardID, RangeID: rangeID, Mode: p.CreateWorkflowModeBrandNew, ArchetypeID: chasm.WorkflowArchetypeID,
		NewWorkflowSnapshot: p.InternalWorkflowSnapshot{
			NamespaceID: namespaceID, WorkflowID: workflowID, RunID: runID, ExecutionInfoBlob: blob, ExecutionState: state(runID), ExecutionStateBlob: blob,
			LastWriteVersion: 1, NextEventID: 3, DBRecordVersion: 1,
		},
	}
}

func update(rangeID int64, workflowID, runID string, version int64) *p.InternalUpdateWorkflowExecutionRequest {
	return &p.InternalUpdateWorkflowExecutionRequest{
		ShardID: shardID, RangeID: rangeID, Mode: p.UpdateWorkflowModeUpdateCurrent, ArchetypeID: chasm.WorkflowArchetypeID,
		UpdateWorkflowMutation: p.InternalWorkflowMutation{
			NamespaceID: namespaceID, WorkflowID: workflowID, RunID: runID, ExecutionInfoBlob: blob, ExecutionState: state(runID), ExecutionStateBlob: blob,
			LastWriteVersion: 1, NextEventID: 4, DBRecordVersion: version,
		},
	}
}

// TestReadsTakeNoLockAndWritesOnlyTheirOwn counts the locking statements of each operation.
func TestReadsTakeNoLockAndWritesOnlyTheirOwn(t *testing.T) {
	for _, kind := range fences {
		t.Run(string(kind), func(t *testing.T) {
			c := newCluster(t)
			pr := c.start(Options{Fence: kind})
			shards := c.newShard(pr, 1)
			executions := must[p.ExecutionStore](t)(pr.NewExecutionStore())
			run := primitives.NewUUID().String()
			branch := &persistencespb.HistoryBranch{TreeId: run, BranchId: primitives.NewUUID().String()}
			nodes := func(id int64) error {
				return executions.AppendHistoryNodes(ctx, &p.InternalAppendHistoryNodesRequest{
					ShardID: shardID, IsNewBranch: id == 1, BranchInfo: branch, TreeInfo: blob,
					Node: p.InternalHistoryNode{NodeID: id, TransactionID: id, Events: blob},
				})
			}
			tasks := must[p.TaskStore](t)(pr.NewTaskStore())
			queue := &p.InternalCreateTaskQueueRequest{
				NamespaceID: namespaceID, TaskQueue: "queue", TaskType: enumspb.TASK_QUEUE_TYPE_WORKFLOW, RangeID: 1, TaskQueueInfo: blob,
			}
			messages := must[p.Queue](t)(pr.NewQueue(p.NamespaceReplicationQueueType))
			metadata := must[p.MetadataStore](t)(pr.NewMetadataStore())

			for _, op := range []struct {
				name  string
				locks int
				do    func() error
			}{
				{"UpdateShard taking over", 1, func() error { return takeOver(shards, 1) }},
				{"GetOrCreateShard", 0, func() error {
					_, err := shards.GetOrCreateShard(ctx, &p.InternalGetOrCreateShardRequest{ShardID: shardID})
					return err
				}},
				{"CreateWorkflowExecution", 2, func() error { // the shard; the current execution, which is not there
					_, err := executions.CreateWorkflowExecution(ctx, creation(2, "workflow", run))
					return err
				}},
				{"UpdateWorkflowExecution", 3, func() error { return executions.UpdateWorkflowExecution(ctx, update(2, "workflow", run, 2)) }},
				{"GetWorkflowExecution", 0, func() error {
					_, err := executions.GetWorkflowExecution(ctx, &p.GetWorkflowExecutionRequest{ShardID: shardID, NamespaceID: namespaceID, WorkflowID: "workflow", RunID: run})
					return err
				}},
				{"GetCurrentExecution", 0, func() error {
					_, err := executions.GetCurrentExecution(ctx, &p.GetCurrentExecutionRequest{ShardID: shardID, NamespaceID: namespaceID, WorkflowID: "workflow", ArchetypeID: chasm.WorkflowArchetypeID})
					return err
				}},
				{"AppendHistoryNodes to a new branch", 0, func() error { return nodes(1) }},
				{"AppendHistoryNodes", 0, func() error { return nodes(2) }},
				{"DeleteHistoryBranch", 0, func() error {
					return executions.DeleteHistoryBranch(ctx, &p.InternalDeleteHistoryBranchRequest{
						ShardID: shardID, BranchInfo: branch, BranchRanges: []p.InternalDeleteHistoryBranchRange{{BranchId: branch.BranchId, BeginNodeId: 1}},
					})
				}},
				{"DeleteCurrentWorkflowExecution", 0, func() error {
					return executions.DeleteCurrentWorkflowExecution(ctx, &p.DeleteCurrentWorkflowExecutionRequest{ShardID: shardID, NamespaceID: namespaceID, WorkflowID: "workflow", RunID: run, ArchetypeID: chasm.WorkflowArchetypeID})
				}},
				{"DeleteWorkflowExecution", 0, func() error {
					return executions.DeleteWorkflowExecution(ctx, &p.DeleteWorkflowExecutionRequest{ShardID: shardID, NamespaceID: namespaceID, WorkflowID: "workflow", RunID: run})
				}},
				{"CreateTaskQueue", 0, func() error { return tasks.CreateTaskQueue(ctx, queue) }},
				{"GetTaskQueue", 0, func() error {
					_, err := tasks.GetTaskQueue(ctx, &p.InternalGetTaskQueueRequest{NamespaceID: namespaceID, TaskQueue: "queue", TaskType: enumspb.TASK_QUEUE_TYPE_WORKFLOW})
					return err
				}},
				{"CreateTasks", 1, func() error {
					_, err := tasks.CreateTasks(ctx, &p.InternalCreateTasksRequest{
						NamespaceID: namespaceID, TaskQueue: "queue", TaskType: enumspb.TASK_QUEUE_TYPE_WORKFLOW, RangeID: 1, TaskQueueInfo: blob,
						Tasks: []*p.InternalCreateTask{{TaskId: 1, Task: blob}},
					})
					return err
				}},
				{"GetTasks", 0, func() error {
					_, err := tasks.GetTasks(ctx, &p.GetTasksRequest{NamespaceID: namespaceID, TaskQueue: "queue", TaskType: enumspb.TASK_QUEUE_TYPE_WORKFLOW, ExclusiveMaxTaskID: 9, PageSize: 9})
					return err
				}},
				{"EnqueueMessage", 0, func() error { return messages.EnqueueMessage(ctx, blob) }},
				{"GetMetadata", 0, func() error {
					_, err := metadata.GetMetadata(ctx)
					return err
				}},
			} {
				before := pr.locks()
				require.NoError(t, op.do(), op.name)
				require.Equal(t, op.locks, pr.locks()-before, "%s: %v", op.name, pr.locking[before:])
			}
			for _, statement := range pr.locking {
				require.NotContains(t, statement, "JOIN")
				require.NotContains(t, statement, "FOR SHARE")
			}
		})
	}
}

// TestAnOldOwnersWriteFails begins an old owner's write before the take-over and ends it after.
func TestAnOldOwnersWriteFails(t *testing.T) {
	for _, kind := range fences {
		for _, taker := range fences {
			for _, fenceRow := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s taken over with %s, fence row %v", kind, taker, fenceRow), func(t *testing.T) {
					c := newCluster(t)
					old, next := c.start(Options{Fence: kind}), c.start(Options{Fence: taker})
					require.NoError(t, takeOver(c.newShard(old, 1), 1))
					if !fenceRow { // as on a database whose shards were taken before there was a fence
						must[any](t)(next.db.q.ExecContext(ctx, "DELETE FROM shard_fences"))
					}
					shards := must[p.ShardStore](t)(next.NewShardStore())
					executions := must[p.ExecutionStore](t)(old.NewExecutionStore())

					// The snapshot is of before the take-over, the lock and the write are after it.
					tx := must[sqlplugin.Tx](t)(old.db.BeginTx(ctx))
					must[*sqlplugin.ShardsRow](t)(tx.SelectFromShards(ctx, sqlplugin.ShardsFilter{ShardID: shardID}))
					require.NoError(t, takeOver(shards, 2))
					_, err := tx.ReadLockShards(ctx, sqlplugin.ShardsFilter{ShardID: shardID})
					require.Equal(t, "40001", sqlState(err), "%v", err)
					require.NoError(t, tx.Rollback())

					// The take-over is under way when the write comes: it waits, and then reads the new range id. With key-share the range id was
					// read before the wait, so the replay finds it changed and hands the conflict on.
					holding := must[sqlplugin.Tx](t)(next.db.BeginTx(ctx))
					must[int64](t)(holding.WriteLockShards(ctx, sqlplugin.ShardsFilter{ShardID: shardID}))
					must[any](t)(holding.UpdateShards(ctx, &sqlplugin.ShardsRow{ShardID: shardID, RangeID: 4, Data: blob.Data, DataEncoding: "Proto3"}))
					wrote := make(chan error)
					go func() {
						_, err := executions.CreateWorkflowExecution(ctx, creation(3, "late", primitives.NewUUID().String()))
						wrote <- err
					}()
					require.Eventually(t, func() bool {
						return old.count(t, "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
					}, 10*time.Second, time.Millisecond)
					require.NoError(t, holding.Commit())
					var lost *p.ShardOwnershipLostError
					if err := <-wrote; kind == fence.ForUpdate {
						require.ErrorAs(t, err, &lost)
					} else {
						require.ErrorContains(t, err, "40001")
					}

					// And ever after.
					_, err = executions.CreateWorkflowExecution(ctx, creation(3, "later", primitives.NewUUID().String()))
					require.ErrorAs(t, err, &lost)
					require.Zero(t, old.count(t, "executions"))
					_, err = executions.CreateWorkflowExecution(ctx, creation(4, "now", primitives.NewUUID().String()))
					require.NoError(t, err)
					require.Equal(t, 1, old.count(t, "shard_fences WHERE shard_id = $1 AND range_id = 4", shardID))
					require.Equal(t, 1, old.count(t, "shard_fences"))
				})
			}
		}
	}
}

// TestNothingIsWrittenUnderAnOldRange lets writers and take-overs race, with the fences mixed.
func TestNothingIsWrittenUnderAnOldRange(t *testing.T) {
	for name, kinds := range map[string][]fence.Kind{"for-update": {fence.ForUpdate}, "key-share": {fence.KeyShare}, "mixed": fences} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			var processes []*process
			for i := range 3 {
				processes = append(processes, c.start(Options{Fence: kinds[i%len(kinds)]}))
			}
			shards := c.newShard(processes[0], 1)
			var current, written, lost atomic.Int64
			current.Store(1)
			done := make(chan struct{})
			var writers sync.WaitGroup
			for i := range 6 {
				executions := must[p.ExecutionStore](t)(processes[i%3].NewExecutionStore())
				writers.Add(1)
				go func() {
					defer writers.Done()
					for n := 0; ; n++ {
						select {
						case <-done:
							return
						default:
						}
						rangeID := current.Load()
						request := creation(rangeID, fmt.Sprintf("%d-%d", i, n), primitives.NewUUID().String())
						request.NewWorkflowSnapshot.LastWriteVersion = rangeID // found again below
						if _, err := executions.CreateWorkflowExecution(ctx, request); err == nil {
							written.Add(1)
						} else {
							lost.Add(1)
						}
					}
				}()
			}
			seen := map[int64]int{}
			for rangeID := int64(1); rangeID <= 40; rangeID++ {
				time.Sleep(10 * time.Millisecond)      // let the writers write
				for takeOver(shards, rangeID) != nil { //nolint:revive // a take-over that conflicted is tried again
				}
				// From here on nothing more may be written under the old range.
				seen[rangeID] = processes[0].count(t, "executions WHERE last_write_version = $1", rangeID)
				current.Store(rangeID + 1)
			}
			close(done)
			writers.Wait()
			for rangeID, n := range seen {
				require.Equal(t, n, processes[0].count(t, "executions WHERE last_write_version = $1", rangeID), "written under range %d after it was taken over", rangeID)
			}
			require.Equal(t, int(written.Load()), processes[0].count(t, "executions"), "what a writer was told is there")
			require.Greater(t, written.Load(), int64(100))
			require.NotZero(t, lost.Load(), "no write met a take-over")
			var conflicts, replays int
			for _, pr := range processes {
				conflicts, replays = conflicts+pr.conflicts, replays+pr.replays
			}
			t.Logf("%d writes, %d refused, %d take-overs; %d conflicts, %d replays", written.Load(), lost.Load(), len(seen), conflicts, replays)
		})
	}
}

// TestNoConditionIsLost lets writers of the present owner race for the versions of one execution, and refuses one commit of ten.
func TestNoConditionIsLost(t *testing.T) {
	for _, kind := range fences {
		t.Run(string(kind), func(t *testing.T) {
			c := newCluster(t)
			pr := c.start(Options{Fence: kind})
			require.NoError(t, takeOver(c.newShard(pr, 1), 1))
			executions := must[p.ExecutionStore](t)(pr.NewExecutionStore())
			pr.refuse = 0.1
			run := primitives.NewUUID().String()
			must[*p.InternalCreateWorkflowExecutionResponse](t)(executions.CreateWorkflowExecution(ctx, creation(2, "workflow", run)))
			const writers, versions = 6, 30
			var won [versions + 2]atomic.Int64
			var all sync.WaitGroup
			for range writers {
				all.Add(1)
				go func() {
					defer all.Done()
					for version := int64(2); version < versions+2; version++ {
						for won[version].Load() == 0 {
							if executions.UpdateWorkflowExecution(ctx, update(2, "workflow", run, version)) == nil {
								won[version].Add(1)
							}
						}
					}
				}()
			}
			all.Wait()
			for version := 2; version < versions+2; version++ {
				require.Equal(t, int64(1), won[version].Load(), "version %d", version)
			}
			t.Logf("%d conflicts, %d replays, given up %v", pr.conflicts, pr.replays, pr.gaveUp)
		})
	}
}
