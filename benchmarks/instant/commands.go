package main

import (
	"slices"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

var served = []enumspb.CommandType{
	enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
	enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, enumspb.COMMAND_TYPE_START_TIMER, enumspb.COMMAND_TYPE_CANCEL_TIMER,
	enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
}

// objection says why a completed task cannot be accepted: it closes over what it has not seen, or asks for what
// this server does not do.
func (r *run) objection(commands []*commandpb.Command) enumspb.WorkflowTaskFailedCause {
	for _, command := range commands {
		switch command.CommandType {
		case enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION:
			if len(r.buffered) > 0 {
				return enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
			}
		default:
			if !slices.Contains(served, command.CommandType) {
				return enumspb.WORKFLOW_TASK_FAILED_CAUSE_FEATURE_DISABLED
			}
		}
	}
	return enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED
}

// apply carries one command out; `completed` is the event of the workflow task that gave it.
func (r *run) apply(
	command *commandpb.Command, completed int64, identity string,
	answer *workflowservice.RespondWorkflowTaskCompletedResponse,
) error {
	if r.isClosed.Load() {
		return serviceerror.NewInvalidArgument("a command follows the one that closes the workflow")
	}
	switch command.CommandType {
	case enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION:
		result := command.GetCompleteWorkflowExecutionCommandAttributes().GetResult()
		r.close(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, r.append(
			enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, func(event *historypb.HistoryEvent) {
				event.Attributes = &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
					WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{
						Result: result, WorkflowTaskCompletedEventId: completed,
					},
				}
			}))
	case enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION:
		failure := command.GetFailWorkflowExecutionCommandAttributes().GetFailure()
		r.close(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, r.append(
			enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, func(event *historypb.HistoryEvent) {
				event.Attributes = &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
					WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{
						Failure: failure, WorkflowTaskCompletedEventId: completed,
						RetryState: enumspb.RETRY_STATE_RETRY_POLICY_NOT_SET,
					},
				}
			}))
	case enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK:
		r.scheduleActivity(command, completed, identity, answer)
	case enumspb.COMMAND_TYPE_START_TIMER:
		r.startTimer(command, completed)
	case enumspb.COMMAND_TYPE_CANCEL_TIMER:
		r.cancelTimer(command.GetCancelTimerCommandAttributes().GetTimerId(), completed, identity)
	case enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION:
		r.startChild(command, completed)
	}
	return nil
}

func (r *run) startTimer(command *commandpb.Command, completed int64) {
	asked := command.GetStartTimerCommandAttributes()
	event := r.append(enumspb.EVENT_TYPE_TIMER_STARTED, func(event *historypb.HistoryEvent) {
		event.UserMetadata = command.UserMetadata
		event.Attributes = &historypb.HistoryEvent_TimerStartedEventAttributes{
			TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{
				TimerId: asked.TimerId, StartToFireTimeout: asked.StartToFireTimeout, WorkflowTaskCompletedEventId: completed,
			},
		}
	})
	if r.timers == nil {
		r.timers = map[string]*time.Timer{}
	}
	r.timers[asked.TimerId] = r.after(max(time.Microsecond, asked.StartToFireTimeout.AsDuration()), func() {
		if _, waits := r.timers[asked.TimerId]; !waits {
			return
		}
		delete(r.timers, asked.TimerId)
		r.deliver(func() {
			r.append(enumspb.EVENT_TYPE_TIMER_FIRED, func(fired *historypb.HistoryEvent) {
				fired.Attributes = &historypb.HistoryEvent_TimerFiredEventAttributes{
					TimerFiredEventAttributes: &historypb.TimerFiredEventAttributes{
						TimerId: asked.TimerId, StartedEventId: event.EventId,
					},
				}
			})
		})
	})
}

func (r *run) cancelTimer(id string, completed int64, identity string) {
	timer, waits := r.timers[id]
	if !waits {
		return
	}
	stop(timer)
	delete(r.timers, id)
	started := int64(0)
	for _, event := range r.events {
		if event.GetTimerStartedEventAttributes().GetTimerId() == id {
			started = event.EventId
		}
	}
	r.append(enumspb.EVENT_TYPE_TIMER_CANCELED, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_TimerCanceledEventAttributes{
			TimerCanceledEventAttributes: &historypb.TimerCanceledEventAttributes{
				TimerId: id, StartedEventId: started, WorkflowTaskCompletedEventId: completed, Identity: identity,
			},
		}
	})
}
