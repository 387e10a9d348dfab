package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	replicationpb "go.temporal.io/api/replication/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	version     = "instant"
	clusterName = "instant"
)

type service struct {
	workflowservice.UnimplementedWorkflowServiceServer
	table      *table
	queues     queues
	emptyPolls atomic.Int64
	waits      waits

	mu         sync.RWMutex
	namespaces map[string]string // name to id
	batches    map[string]*workflowservice.DescribeBatchOperationResponse
}

func newService(table *table, namespaces []string) *service {
	made := &service{
		table: table, queues: queues{named: map[queueKey]*queue{}}, namespaces: map[string]string{},
		batches: map[string]*workflowservice.DescribeBatchOperationResponse{},
	}
	for _, name := range namespaces {
		made.namespaces[name] = uuid.NewString()
	}
	return made
}

func (s *service) requireNamespace(name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, known := s.namespaces[name]; !known {
		return serviceerror.NewNamespaceNotFound(name)
	}
	return nil
}

// find looks an execution up by its id, and by its run's where one is given.
func (s *service) find(namespace string, execution *commonpb.WorkflowExecution) (*run, error) {
	if err := s.requireNamespace(namespace); err != nil {
		return nil, err
	}
	found := s.table.get(runKey{namespace, execution.GetWorkflowId()})
	if found == nil || execution.RunId != "" && execution.RunId != found.id {
		return nil, serviceerror.NewNotFound("workflow not found for ID: " + execution.GetWorkflowId())
	}
	return found, nil
}

func (s *service) GetSystemInfo(
	context.Context, *workflowservice.GetSystemInfoRequest,
) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{
		ServerVersion: version,
		Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{
			SignalAndQueryHeader: true, InternalErrorDifferentiation: true, ActivityFailureIncludeHeartbeat: true,
			EncodedFailureAttributes: true, UpsertMemo: true, EagerWorkflowStart: true, SdkMetadata: true,
			CountGroupByExecutionStatus: true,
		},
	}, nil
}

func (s *service) GetClusterInfo(
	context.Context, *workflowservice.GetClusterInfoRequest,
) (*workflowservice.GetClusterInfoResponse, error) {
	return &workflowservice.GetClusterInfoResponse{
		ServerVersion: version, ClusterName: clusterName, ClusterId: clusterName, HistoryShardCount: 1,
		PersistenceStore: "memory", VisibilityStore: "memory",
	}, nil
}

func (s *service) DescribeNamespace(
	_ context.Context, request *workflowservice.DescribeNamespaceRequest,
) (*workflowservice.DescribeNamespaceResponse, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, id := range s.namespaces {
		if name == request.Namespace || request.Id != "" && id == request.Id {
			return &workflowservice.DescribeNamespaceResponse{
				NamespaceInfo: &namespacepb.NamespaceInfo{
					Name: name, Id: id, State: enumspb.NAMESPACE_STATE_REGISTERED,
					Capabilities: &namespacepb.NamespaceInfo_Capabilities{EagerWorkflowStart: true},
				},
				Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(24 * time.Hour)},
				ReplicationConfig: &replicationpb.NamespaceReplicationConfig{
					ActiveClusterName: clusterName,
					Clusters:          []*replicationpb.ClusterReplicationConfig{{ClusterName: clusterName}},
				},
			}, nil
		}
	}
	return nil, serviceerror.NewNamespaceNotFound(request.Namespace)
}

func (s *service) RegisterNamespace(
	_ context.Context, request *workflowservice.RegisterNamespaceRequest,
) (*workflowservice.RegisterNamespaceResponse, error) {
	if request.Namespace == "" {
		return nil, serviceerror.NewInvalidArgument("expected a namespace's name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.namespaces[request.Namespace]; known {
		return nil, serviceerror.NewNamespaceAlreadyExists("Namespace already exists.")
	}
	s.namespaces[request.Namespace] = uuid.NewString()
	return &workflowservice.RegisterNamespaceResponse{}, nil
}

func (s *service) DescribeTaskQueue(
	_ context.Context, request *workflowservice.DescribeTaskQueueRequest,
) (*workflowservice.DescribeTaskQueueResponse, error) {
	if err := s.requireNamespace(request.Namespace); err != nil {
		return nil, err
	}
	kind := request.TaskQueueType
	if kind == enumspb.TASK_QUEUE_TYPE_UNSPECIFIED {
		kind = enumspb.TASK_QUEUE_TYPE_WORKFLOW
	}
	pollers, stats := s.queues.get(queueKey{request.Namespace, request.GetTaskQueue().GetName(), kind}).describe()
	answer := &workflowservice.DescribeTaskQueueResponse{Pollers: pollers}
	if request.ReportStats {
		answer.Stats = stats
	}
	return answer, nil
}

// ShutdownWorker hears that a worker ends; its sticky tasks move on by their time-out.
func (s *service) ShutdownWorker(
	context.Context, *workflowservice.ShutdownWorkerRequest,
) (*workflowservice.ShutdownWorkerResponse, error) {
	return &workflowservice.ShutdownWorkerResponse{}, nil
}
