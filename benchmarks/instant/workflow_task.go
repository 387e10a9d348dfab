package main

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// mostPause is the longest wait before a workflow task that keeps failing is tried again.
const mostPause = 10 * time.Second

// PollWorkflowTaskQueue waits for a workflow task; the answer is empty where none comes.
func (s *service) PollWorkflowTaskQueue(
	ctx context.Context, request *workflowservice.PollWorkflowTaskQueueRequest,
) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	if err := s.requireNamespace(request.Namespace); err != nil {
		return nil, err
	}
	queue := s.queues.get(queueKey{request.Namespace, request.GetTaskQueue().GetName(), enumspb.TASK_QUEUE_TYPE_WORKFLOW})
	for {
		one, found := queue.poll(ctx, request.Identity)
		if !found {
			s.emptyPolls.Add(1)
			return &workflowservice.PollWorkflowTaskQueueResponse{}, nil
		}
		one.run.mu.Lock()
		answer := one.run.startTask(one, request.Identity)
		one.run.mu.Unlock()
		if answer != nil {
			return answer, nil
		}
	}
}

// startTask gives a scheduled workflow task to a worker; nil: it is not wanted any more.
func (r *run) startTask(one task, identity string) *workflowservice.PollWorkflowTaskQueueResponse {
	if r.isClosed.Load() || r.task.scheduled != one.scheduled || r.task.started != 0 {
		return nil
	}
	r.task.stop()
	event := r.append(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{
			WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{
				ScheduledEventId: one.scheduled, Identity: identity, HistorySizeBytes: int64(300 * r.length),
			},
		}
	})
	started := event.EventId
	r.transitions++
	r.task.started = started
	r.task.timer = r.after(r.taskTimeout, func() {
		r.loseTask(one.scheduled, started, enumspb.TIMEOUT_TYPE_START_TO_CLOSE)
	})
	from := int64(0)
	if one.sticky {
		from = r.previous
	}
	return &workflowservice.PollWorkflowTaskQueueResponse{
		TaskToken:              token{r.key, r.id, one.scheduled, r.task.attempt}.encode(),
		WorkflowExecution:      r.execution(),
		WorkflowType:           r.kind,
		PreviousStartedEventId: r.previous,
		StartedEventId:         started,
		Attempt:                r.task.attempt,
		History:                &historypb.History{Events: r.events[from:started:started]},
		WorkflowExecutionTaskQueue: &taskqueuepb.TaskQueue{
			Name: r.queue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL,
		},
		ScheduledTime: timestamppb.New(r.task.scheduledAt),
		StartedTime:   event.EventTime,
	}
}

// RespondWorkflowTaskCompleted applies a worker's commands.
func (s *service) RespondWorkflowTaskCompleted(
	_ context.Context, request *workflowservice.RespondWorkflowTaskCompletedRequest,
) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	given, r, err := s.lockTask(request.TaskToken)
	if err != nil {
		return nil, err
	}
	answer, err := r.complete(given, request)
	finish := r.takeFinish()
	r.mu.Unlock()
	finish()
	return answer, err
}

// lockTask finds the run whose started workflow task a token names, and locks it.
func (s *service) lockTask(encoded []byte) (token, *run, error) {
	given, err := decodeToken(encoded)
	if err != nil {
		return token{}, nil, err
	}
	r := s.table.get(given.key)
	if r == nil || r.id != given.run {
		return token{}, nil, serviceerror.NewNotFound("workflow execution not found")
	}
	r.mu.Lock()
	if r.isClosed.Load() || r.task.started == 0 || r.task.scheduled != given.scheduled || r.task.attempt != given.attempt {
		r.mu.Unlock()
		return token{}, nil, serviceerror.NewNotFound("Workflow task not found.")
	}
	return given, r, nil
}

func (r *run) complete(
	given token, request *workflowservice.RespondWorkflowTaskCompletedRequest,
) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	if cause := r.objection(request.Commands); cause != enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED {
		r.failTask(cause, nil, request.Identity)
		return nil, serviceerror.NewInvalidArgument(cause.String())
	}
	started := r.task.started
	r.task.stop()
	r.task, r.attempt, r.previous = workflowTask{}, 0, started
	r.transitions++
	completed := r.append(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
			WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{
				ScheduledEventId: given.scheduled, StartedEventId: started, Identity: request.Identity,
				WorkerVersion: request.WorkerVersionStamp, SdkMetadata: request.SdkMetadata,
				MeteringMetadata: request.MeteringMetadata,
			},
		}
	})
	r.sticky = request.StickyAttributes
	answer := &workflowservice.RespondWorkflowTaskCompletedResponse{}
	for _, command := range request.Commands {
		if err := r.apply(command, completed.EventId, request.Identity, answer); err != nil {
			return nil, err
		}
	}
	if r.isClosed.Load() || !r.flush() && !request.ForceCreateNewWorkflowTask {
		return answer, nil
	}
	next := r.makeTask()
	if request.ReturnNewWorkflowTask {
		answer.WorkflowTask = r.startTask(next, request.Identity)
	} else {
		r.offer(next)
	}
	return answer, nil
}

// RespondWorkflowTaskFailed schedules the task again, the first time at once and then with growing pauses.
func (s *service) RespondWorkflowTaskFailed(
	_ context.Context, request *workflowservice.RespondWorkflowTaskFailedRequest,
) (*workflowservice.RespondWorkflowTaskFailedResponse, error) {
	_, r, err := s.lockTask(request.TaskToken)
	if err != nil {
		return nil, err
	}
	r.failTask(request.Cause, request, request.Identity)
	r.mu.Unlock()
	return &workflowservice.RespondWorkflowTaskFailedResponse{}, nil
}

func (r *run) failTask(
	cause enumspb.WorkflowTaskFailedCause, told *workflowservice.RespondWorkflowTaskFailedRequest, identity string,
) {
	failed := r.task
	r.task.stop()
	r.append(enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{
			WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{
				ScheduledEventId: failed.scheduled, StartedEventId: failed.started, Cause: cause,
				Failure: told.GetFailure(), Identity: identity,
			},
		}
	})
	r.task, r.sticky = workflowTask{}, nil
	r.flush()
	repeated := cause != enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND &&
		cause != enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE
	if !repeated {
		r.schedule()
		return
	}
	r.attempt = failed.attempt + 1
	if failed.attempt == 1 {
		r.schedule()
		return
	}
	r.after(min(mostPause, time.Second<<min(failed.attempt-2, 4)), r.schedule)
}
