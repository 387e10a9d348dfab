package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// newRun makes an execution with its first event; it is in no table yet.
func (s *service) newRun(key runKey, kind *commonpb.WorkflowType, queue string, timeout, taskTimeout *durationpb.Duration) *run {
	if taskTimeout.AsDuration() <= 0 {
		taskTimeout = durationpb.New(defaultTaskTimeout)
	}
	return &run{
		service: s, key: key, id: uuid.NewString(), kind: kind, queue: queue, startedAt: time.Now(),
		taskTimeout: taskTimeout.AsDuration(), ended: make(chan struct{}), status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		events: make([]*historypb.HistoryEvent, 0, 5),
	}
}

// begin writes the first event and sets the execution's time-out.
func (r *run) begin(attributes *historypb.WorkflowExecutionStartedEventAttributes) {
	attributes.OriginalExecutionRunId, attributes.FirstExecutionRunId, attributes.Attempt = r.id, r.id, 1
	attributes.WorkflowId, attributes.WorkflowType = r.key.id, r.kind
	attributes.WorkflowTaskTimeout = durationpb.New(r.taskTimeout)
	r.append(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: attributes,
		}
	})
	r.transitions++
	r.expiry = r.after(attributes.WorkflowExecutionTimeout.AsDuration(), r.expire)
}

// StartWorkflowExecution starts a run, or answers with the one that the same request has started.
func (s *service) StartWorkflowExecution(
	_ context.Context, request *workflowservice.StartWorkflowExecutionRequest,
) (*workflowservice.StartWorkflowExecutionResponse, error) {
	if err := s.requireNamespace(request.Namespace); err != nil {
		return nil, err
	}
	if request.WorkflowId == "" || request.GetWorkflowType().GetName() == "" || request.GetTaskQueue().GetName() == "" {
		return nil, serviceerror.NewInvalidArgument("expected workflow id, type and task queue")
	}
	if request.CronSchedule != "" || request.WorkflowStartDelay.AsDuration() > 0 {
		return nil, serviceerror.NewUnimplemented("this server starts no workflows later: no cron schedule, no start delay")
	}
	made := s.newRun(
		runKey{request.Namespace, request.WorkflowId}, request.WorkflowType, request.TaskQueue.Name,
		request.WorkflowExecutionTimeout, request.WorkflowTaskTimeout,
	)
	made.requestID = request.RequestId
	made.mu.Lock() // it can be found from here on
	if before := s.table.insert(made, inTheWay(request)); before != nil {
		if before.requestID == request.RequestId && request.RequestId != "" {
			return &workflowservice.StartWorkflowExecutionResponse{
				RunId: before.id, FirstExecutionRunId: before.id, Started: true, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
			}, nil
		}
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted(
			fmt.Sprintf("Workflow execution already started. WorkflowId: %s, RunId: %s.", request.WorkflowId, before.id),
			before.requestID, before.id,
		)
	}
	defer made.mu.Unlock()
	made.begin(&historypb.WorkflowExecutionStartedEventAttributes{
		TaskQueue: request.TaskQueue, Input: request.Input, Identity: request.Identity,
		WorkflowExecutionTimeout: request.WorkflowExecutionTimeout, WorkflowRunTimeout: request.WorkflowRunTimeout,
		RetryPolicy: request.RetryPolicy, Header: request.Header, Memo: request.Memo, Priority: request.Priority,
		SearchAttributes: request.SearchAttributes, EagerExecutionAccepted: request.RequestEagerExecution,
	})
	answer := &workflowservice.StartWorkflowExecutionResponse{
		RunId: made.id, FirstExecutionRunId: made.id, Started: true, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
	}
	first := made.makeTask()
	if request.RequestEagerExecution {
		answer.EagerWorkflowTask = made.startTask(first, request.Identity)
	} else {
		made.offer(first)
	}
	return answer, nil
}

// inTheWay says whether a run keeps another of the same id from starting.
func inTheWay(request *workflowservice.StartWorkflowExecutionRequest) func(*run) bool {
	return func(before *run) bool {
		if before.requestID == request.RequestId && request.RequestId != "" {
			return true
		}
		if !before.isClosed.Load() {
			return true
		}
		switch request.WorkflowIdReusePolicy {
		case enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
			return true
		case enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY:
			return before.status == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		default:
			return false
		}
	}
}

// TerminateWorkflowExecution ends a run.
func (s *service) TerminateWorkflowExecution(
	_ context.Context, request *workflowservice.TerminateWorkflowExecutionRequest,
) (*workflowservice.TerminateWorkflowExecutionResponse, error) {
	found, err := s.find(request.Namespace, request.WorkflowExecution)
	if err != nil {
		return nil, err
	}
	if !found.terminate(request.Reason, request.Identity) {
		return nil, serviceerror.NewNotFound("workflow execution already completed")
	}
	return &workflowservice.TerminateWorkflowExecutionResponse{}, nil
}
