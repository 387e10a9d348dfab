package main

import (
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

func (r *run) startChild(command *commandpb.Command, completed int64) {
	asked := command.GetStartChildWorkflowExecutionCommandAttributes()
	queue := asked.TaskQueue
	if queue.GetName() == "" {
		queue.Name = r.queue
	}
	initiated := r.append(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, func(event *historypb.HistoryEvent) {
		event.UserMetadata = command.UserMetadata
		event.Attributes = &historypb.HistoryEvent_StartChildWorkflowExecutionInitiatedEventAttributes{
			StartChildWorkflowExecutionInitiatedEventAttributes: &historypb.StartChildWorkflowExecutionInitiatedEventAttributes{
				Namespace: r.key.namespace, WorkflowId: asked.WorkflowId, WorkflowType: asked.WorkflowType, TaskQueue: queue,
				Input: asked.Input, WorkflowExecutionTimeout: asked.WorkflowExecutionTimeout,
				WorkflowRunTimeout: asked.WorkflowRunTimeout, WorkflowTaskTimeout: asked.WorkflowTaskTimeout,
				ParentClosePolicy: asked.ParentClosePolicy, WorkflowTaskCompletedEventId: completed,
				WorkflowIdReusePolicy: asked.WorkflowIdReusePolicy, RetryPolicy: asked.RetryPolicy, Header: asked.Header,
				Memo: asked.Memo, SearchAttributes: asked.SearchAttributes, Priority: asked.Priority,
			},
		}
	})
	child := r.service.newRun(
		runKey{r.key.namespace, asked.WorkflowId}, asked.WorkflowType, queue.Name, asked.WorkflowExecutionTimeout,
		asked.WorkflowTaskTimeout,
	)
	child.parent, child.initiated = r, initiated.EventId
	child.mu.Lock()
	defer child.mu.Unlock()
	inTheWay := func(before *run) bool {
		return !before.isClosed.Load() || asked.WorkflowIdReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	}
	if r.service.table.insert(child, inTheWay) != nil {
		r.buffered = append(r.buffered, func() { r.childRefused(asked, initiated.EventId) })
		return
	}
	child.begin(&historypb.WorkflowExecutionStartedEventAttributes{
		ParentWorkflowNamespace: r.key.namespace, ParentWorkflowExecution: r.execution(),
		ParentInitiatedEventId: initiated.EventId, TaskQueue: queue, Input: asked.Input, Identity: "",
		WorkflowExecutionTimeout: asked.WorkflowExecutionTimeout, WorkflowRunTimeout: asked.WorkflowRunTimeout,
		RetryPolicy: asked.RetryPolicy, Header: asked.Header, Memo: asked.Memo, Priority: asked.Priority,
		SearchAttributes: asked.SearchAttributes, RootWorkflowExecution: r.execution(),
	})
	if asked.ParentClosePolicy == enumspb.PARENT_CLOSE_POLICY_TERMINATE || asked.ParentClosePolicy == 0 {
		if r.children == nil {
			r.children = map[int64]*run{}
		}
		r.children[initiated.EventId] = child
	}
	r.transitions++
	r.buffered = append(r.buffered, func() { r.childStarted(child, asked.Header) })
	child.offer(child.makeTask())
}

func (r *run) childStarted(child *run, header *commonpb.Header) {
	event := r.append(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionStartedEventAttributes{
			ChildWorkflowExecutionStartedEventAttributes: &historypb.ChildWorkflowExecutionStartedEventAttributes{
				Namespace: r.key.namespace, InitiatedEventId: child.initiated, WorkflowExecution: child.execution(),
				WorkflowType: child.kind, Header: header,
			},
		}
	})
	child.startedInParent = event.EventId
}

func (r *run) childRefused(asked *commandpb.StartChildWorkflowExecutionCommandAttributes, initiated int64) {
	r.append(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_StartChildWorkflowExecutionFailedEventAttributes{
			StartChildWorkflowExecutionFailedEventAttributes: &historypb.StartChildWorkflowExecutionFailedEventAttributes{
				Namespace: r.key.namespace, WorkflowId: asked.WorkflowId, WorkflowType: asked.WorkflowType,
				Cause:            enumspb.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS,
				InitiatedEventId: initiated,
			},
		}
	})
}

// childEnded tells a run of its child's end. Neither lock is held.
func (r *run) childEnded(child *run, closing *historypb.HistoryEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.children, child.initiated)
	r.deliver(func() { r.writeChildEnd(child, closing) })
}

func (r *run) writeChildEnd(child *run, closing *historypb.HistoryEvent) {
	namespace, started := r.key.namespace, child.startedInParent
	switch child.status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		r.append(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED, func(event *historypb.HistoryEvent) {
			event.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes{
				ChildWorkflowExecutionCompletedEventAttributes: &historypb.ChildWorkflowExecutionCompletedEventAttributes{
					Result:    closing.GetWorkflowExecutionCompletedEventAttributes().GetResult(),
					Namespace: namespace, WorkflowExecution: child.execution(), WorkflowType: child.kind,
					InitiatedEventId: child.initiated, StartedEventId: started,
				},
			}
		})
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		r.append(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED, func(event *historypb.HistoryEvent) {
			event.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes{
				ChildWorkflowExecutionFailedEventAttributes: &historypb.ChildWorkflowExecutionFailedEventAttributes{
					Failure:   closing.GetWorkflowExecutionFailedEventAttributes().GetFailure(),
					Namespace: namespace, WorkflowExecution: child.execution(), WorkflowType: child.kind,
					InitiatedEventId: child.initiated, StartedEventId: started,
					RetryState: enumspb.RETRY_STATE_RETRY_POLICY_NOT_SET,
				},
			}
		})
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		r.append(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT, func(event *historypb.HistoryEvent) {
			event.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionTimedOutEventAttributes{
				ChildWorkflowExecutionTimedOutEventAttributes: &historypb.ChildWorkflowExecutionTimedOutEventAttributes{
					Namespace: namespace, WorkflowExecution: child.execution(), WorkflowType: child.kind,
					InitiatedEventId: child.initiated, StartedEventId: started, RetryState: enumspb.RETRY_STATE_TIMEOUT,
				},
			}
		})
	default:
		r.append(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED, func(event *historypb.HistoryEvent) {
			event.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionTerminatedEventAttributes{
				ChildWorkflowExecutionTerminatedEventAttributes: &historypb.ChildWorkflowExecutionTerminatedEventAttributes{
					Namespace: namespace, WorkflowExecution: child.execution(), WorkflowType: child.kind,
					InitiatedEventId: child.initiated, StartedEventId: started,
				},
			}
		})
	}
}
