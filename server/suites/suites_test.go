//go:build live

package suites

import (
	"math"
	"testing"

	"github.com/stretchr/testify/suite"
	"go.temporal.io/server/chasm"
	"go.temporal.io/server/common/log"
	persistencetests "go.temporal.io/server/common/persistence/persistence-tests"
	"go.temporal.io/server/common/persistence/serialization"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqltests "go.temporal.io/server/common/persistence/sql/sqlplugin/tests"
	"go.temporal.io/server/common/persistence/tests"
)

// What the suites of visibility test is not here: visibility is on OpenSearch.

// stores are the suites of the layer that Temporal's services use.
var stores = map[string]func(t *testing.T, d *database) suite.TestingSuite{
	"Shard": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewShardSuite(t, d.shards(t), serialization.NewSerializer(), d.logger)
	},
	"ExecutionMutableState": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewExecutionMutableStateSuite(t, d.shards(t), d.executions(t), serialization.NewSerializer(), d.logger)
	},
	"ExecutionMutableStateTask": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewExecutionMutableStateTaskSuite(t, d.shards(t), d.executions(t), serialization.NewSerializer(), d.logger)
	},
	"HistoryEvents": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewHistoryEventsSuite(t, d.executions(t), d.logger)
	},
	"TaskQueue": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewTaskQueueSuite(t, d.tasks(t), d.logger)
	},
	"FairTaskQueue": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewTaskQueueSuite(t, d.fairTasks(t), d.logger)
	},
	"TaskQueueTask": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewTaskQueueTaskSuite(t, d.tasks(t), d.logger)
	},
	"TaskQueueFairTask": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewTaskQueueFairTaskSuite(t, d.fairTasks(t), d.logger)
	},
	"TaskQueueUserData": func(t *testing.T, d *database) suite.TestingSuite {
		return tests.NewTaskQueueUserDataSuite(t, d.tasks(t), d.logger)
	},
}

// tables are the suites of the layer that a SQL plugin implements.
var tables = map[string]func(t *testing.T, db sqlplugin.DB) suite.TestingSuite{
	"Namespace":    func(t *testing.T, db sqlplugin.DB) suite.TestingSuite { return sqltests.NewNamespaceSuite(t, db) },
	"QueueMessage": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite { return sqltests.NewQueueMessageSuite(t, db) },
	"QueueMetadata": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewQueueMetadataSuite(t, db)
	},
	"MatchingTask": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite { return sqltests.NewMatchingTaskSuite(t, db) },
	"MatchingTaskV2": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewMatchingTaskV2Suite(t, db)
	},
	"MatchingTaskQueue": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewMatchingTaskQueueSuite(t, db, sqlplugin.MatchingTaskVersion1)
	},
	"MatchingFairTaskQueue": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewMatchingTaskQueueSuite(t, db, sqlplugin.MatchingTaskVersion2)
	},
	"HistoryShard": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite { return sqltests.NewHistoryShardSuite(t, db) },
	"HistoryNode":  func(t *testing.T, db sqlplugin.DB) suite.TestingSuite { return sqltests.NewHistoryNodeSuite(t, db) },
	"HistoryTree":  func(t *testing.T, db sqlplugin.DB) suite.TestingSuite { return sqltests.NewHistoryTreeSuite(t, db) },
	"CurrentExecution": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryCurrentExecutionSuite(t, db, chasm.WorkflowArchetypeID)
	},
	"CurrentChasmExecution": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryCurrentExecutionSuite(t, db, math.MaxUint32)
	},
	"Execution": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionSuite(t, db)
	},
	"TransferTask": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryTransferTaskSuite(t, db)
	},
	"TimerTask": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryTimerTaskSuite(t, db)
	},
	"ReplicationTask": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryReplicationTaskSuite(t, db)
	},
	"VisibilityTask": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryVisibilityTaskSuite(t, db)
	},
	"ReplicationDLQTask": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryReplicationDLQTaskSuite(t, db)
	},
	"ExecutionBuffer": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionBufferSuite(t, db)
	},
	"ExecutionActivity": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionActivitySuite(t, db)
	},
	"ExecutionChildWorkflow": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionChildWorkflowSuite(t, db)
	},
	"ExecutionTimer": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionTimerSuite(t, db)
	},
	"ExecutionChasm": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionChasmSuite(t, db)
	},
	"ExecutionRequestCancel": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionRequestCancelSuite(t, db)
	},
	"ExecutionSignal": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionSignalSuite(t, db)
	},
	"ExecutionSignalRequest": func(t *testing.T, db sqlplugin.DB) suite.TestingSuite {
		return sqltests.NewHistoryExecutionSignalRequestSuite(t, db)
	},
}

// managers are the older suites, of the layer above the stores.
var managers = map[string]func(base *persistencetests.TestBase) suite.TestingSuite{
	"HistoryV2": func(base *persistencetests.TestBase) suite.TestingSuite {
		return &persistencetests.HistoryV2PersistenceSuite{TestBase: base}
	},
	"MetadataV2": func(base *persistencetests.TestBase) suite.TestingSuite {
		return &metadata{MetadataPersistenceSuiteV2: &persistencetests.MetadataPersistenceSuiteV2{TestBase: base}, ours: base.DefaultTestCluster}
	},
	"ClusterMetadata": func(base *persistencetests.TestBase) suite.TestingSuite {
		return &persistencetests.ClusterMetadataManagerSuite{TestBase: base}
	},
	"Queue": func(base *persistencetests.TestBase) suite.TestingSuite {
		return &persistencetests.QueuePersistenceSuite{TestBase: base}
	},
}

// metadata is a suite that asks its database's type whether it is of SQL, and which rename to test.
type metadata struct {
	*persistencetests.MetadataPersistenceSuiteV2
	ours persistencetests.PersistenceTestCluster
}

func (m *metadata) SetupSuite() {
	m.DefaultTestCluster = &sql.TestCluster{}
	m.MetadataPersistenceSuiteV2.SetupSuite()
}

func (m *metadata) TearDownSuite() {
	m.DefaultTestCluster = m.ours
	m.MetadataPersistenceSuiteV2.TearDownSuite()
}

func TestStores(t *testing.T) {
	t.Parallel()
	for name, build := range stores {
		t.Run(name, func(t *testing.T) { suite.Run(t, build(t, fresh(t))) })
	}
	t.Run("QueueV2", func(t *testing.T) { tests.RunQueueV2TestSuiteForSQL(t, fresh(t).factory(t)) })
	t.Run("NexusEndpoint", func(t *testing.T) { tests.RunNexusEndpointTestSuiteForSQL(t, fresh(t).factory(t)) })
}

func TestTables(t *testing.T) {
	t.Parallel()
	for name, build := range tables {
		t.Run(name, func(t *testing.T) { suite.Run(t, build(t, fresh(t).db(t))) })
	}
}

func TestManagers(t *testing.T) {
	t.Parallel()
	for name, build := range managers {
		t.Run(name, func(t *testing.T) {
			base := persistencetests.NewTestBaseForCluster(&cluster{t: t}, log.NewTestLogger())
			base.Setup(nil)
			suite.Run(t, build(base))
		})
	}
}
