package main

import (
	"context"
	"math"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A retry policy's values where a workflow names none, as the server's defaults.
const (
	firstRetry       = time.Second
	retryCoefficient = 2.0
	longestRetry     = 100 * time.Second
)

// scheduleActivity queues an activity, or gives it to the worker that asks for it where that is wanted.
func (r *run) scheduleActivity(
	command *commandpb.Command, completed int64, identity string,
	answer *workflowservice.RespondWorkflowTaskCompletedResponse,
) {
	asked := command.GetScheduleActivityTaskCommandAttributes()
	if asked.TaskQueue.GetName() == "" {
		asked.TaskQueue.Name = r.queue
	}
	if asked.RetryPolicy == nil {
		asked.RetryPolicy = &commonpb.RetryPolicy{
			InitialInterval: durationpb.New(firstRetry), BackoffCoefficient: retryCoefficient,
			MaximumInterval: durationpb.New(longestRetry),
		}
	}
	event := r.append(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, func(event *historypb.HistoryEvent) {
		event.UserMetadata = command.UserMetadata
		event.Attributes = &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
				ActivityId: asked.ActivityId, ActivityType: asked.ActivityType, TaskQueue: asked.TaskQueue,
				Header: asked.Header, Input: asked.Input, ScheduleToCloseTimeout: asked.ScheduleToCloseTimeout,
				ScheduleToStartTimeout: asked.ScheduleToStartTimeout, StartToCloseTimeout: asked.StartToCloseTimeout,
				HeartbeatTimeout: asked.HeartbeatTimeout, WorkflowTaskCompletedEventId: completed,
				RetryPolicy: asked.RetryPolicy, UseWorkflowBuildId: asked.UseWorkflowBuildId, Priority: asked.Priority,
			},
		}
	})
	if r.activities == nil {
		r.activities = map[int64]*activity{}
	}
	one := &activity{scheduled: event, command: asked, attempt: 1, scheduledAt: event.EventTime.AsTime()}
	r.activities[event.EventId] = one
	if asked.RequestEagerExecution && asked.TaskQueue.Name == r.queue {
		answer.ActivityTasks = append(answer.ActivityTasks, r.startActivity(one, identity))
		return
	}
	r.offerActivity(one)
}

func (r *run) offerActivity(one *activity) {
	key := queueKey{r.key.namespace, one.command.TaskQueue.Name, enumspb.TASK_QUEUE_TYPE_ACTIVITY}
	r.service.queues.get(key).add(task{run: r, scheduled: one.scheduled.EventId, attempt: one.attempt})
}

// PollActivityTaskQueue waits for an activity task; the answer is empty where none comes.
func (s *service) PollActivityTaskQueue(
	ctx context.Context, request *workflowservice.PollActivityTaskQueueRequest,
) (*workflowservice.PollActivityTaskQueueResponse, error) {
	if err := s.requireNamespace(request.Namespace); err != nil {
		return nil, err
	}
	queue := s.queues.get(queueKey{request.Namespace, request.GetTaskQueue().GetName(), enumspb.TASK_QUEUE_TYPE_ACTIVITY})
	for {
		given, found := queue.poll(ctx, request.Identity)
		if !found {
			s.emptyPolls.Add(1)
			return &workflowservice.PollActivityTaskQueueResponse{}, nil
		}
		given.run.mu.Lock()
		one := given.run.activities[given.scheduled]
		var answer *workflowservice.PollActivityTaskQueueResponse
		if one != nil && one.attempt == given.attempt && one.startedAt.IsZero() {
			answer = given.run.startActivity(one, request.Identity)
		}
		given.run.mu.Unlock()
		if answer != nil {
			return answer, nil
		}
	}
}

// startActivity gives an attempt to a worker. Its event is written when it ends, as Temporal does.
func (r *run) startActivity(one *activity, identity string) *workflowservice.PollActivityTaskQueueResponse {
	r.transitions++
	one.startedAt, one.identity = time.Now(), identity
	r.service.waits.begin()
	attempt := one.attempt
	one.timer = r.after(one.command.StartToCloseTimeout.AsDuration(), func() {
		if r.activities[one.scheduled.EventId] == one && one.attempt == attempt && !one.startedAt.IsZero() {
			r.failActivity(one, nil)
		}
	})
	return &workflowservice.PollActivityTaskQueueResponse{
		TaskToken:                   token{r.key, r.id, one.scheduled.EventId, attempt}.encode(),
		WorkflowNamespace:           r.key.namespace,
		WorkflowType:                r.kind,
		WorkflowExecution:           r.execution(),
		ActivityType:                one.command.ActivityType,
		ActivityId:                  one.command.ActivityId,
		Header:                      one.command.Header,
		Input:                       one.command.Input,
		ScheduledTime:               one.scheduled.EventTime,
		CurrentAttemptScheduledTime: timestamppb.New(one.scheduledAt),
		StartedTime:                 timestamppb.New(one.startedAt),
		Attempt:                     attempt,
		ScheduleToCloseTimeout:      one.command.ScheduleToCloseTimeout,
		StartToCloseTimeout:         one.command.StartToCloseTimeout,
		HeartbeatTimeout:            one.command.HeartbeatTimeout,
		RetryPolicy:                 one.command.RetryPolicy,
		Priority:                    one.command.Priority,
	}
}

// lockActivity finds the attempt that a token names, and locks its run.
func (s *service) lockActivity(encoded []byte) (*run, *activity, error) {
	given, err := decodeToken(encoded)
	if err != nil {
		return nil, nil, err
	}
	r := s.table.get(given.key)
	if r == nil || r.id != given.run {
		return nil, nil, serviceerror.NewNotFound("workflow execution not found")
	}
	r.mu.Lock()
	one := r.activities[given.scheduled]
	if one == nil || one.attempt != given.attempt || one.startedAt.IsZero() {
		r.mu.Unlock()
		return nil, nil, serviceerror.NewNotFound("invalid activityID or activity already timed out or invoking workflow is completed")
	}
	return r, one, nil
}

// RespondActivityTaskCompleted ends an activity.
func (s *service) RespondActivityTaskCompleted(
	_ context.Context, request *workflowservice.RespondActivityTaskCompletedRequest,
) (*workflowservice.RespondActivityTaskCompletedResponse, error) {
	r, one, err := s.lockActivity(request.TaskToken)
	if err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	r.service.waits.end(one.command.Input, one.startedAt, true)
	r.endActivity(one, func(started int64) {
		r.append(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, func(event *historypb.HistoryEvent) {
			event.Attributes = &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
				ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
					Result: request.Result, ScheduledEventId: one.scheduled.EventId, StartedEventId: started,
					Identity: request.Identity, WorkerVersion: request.WorkerVersion,
				},
			}
		})
	})
	return &workflowservice.RespondActivityTaskCompletedResponse{}, nil
}

// RespondActivityTaskFailed retries an activity by its policy, or ends it.
func (s *service) RespondActivityTaskFailed(
	_ context.Context, request *workflowservice.RespondActivityTaskFailedRequest,
) (*workflowservice.RespondActivityTaskFailedResponse, error) {
	r, one, err := s.lockActivity(request.TaskToken)
	if err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	r.failActivity(one, request.Failure)
	return &workflowservice.RespondActivityTaskFailedResponse{}, nil
}

// RecordActivityTaskHeartbeat says whether the activity is still wanted; heartbeats are not kept.
func (s *service) RecordActivityTaskHeartbeat(
	_ context.Context, request *workflowservice.RecordActivityTaskHeartbeatRequest,
) (*workflowservice.RecordActivityTaskHeartbeatResponse, error) {
	r, _, err := s.lockActivity(request.TaskToken)
	if err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	return &workflowservice.RecordActivityTaskHeartbeatResponse{}, nil
}

// failActivity ends an attempt; `failure` nil: by its start-to-close time-out.
func (r *run) failActivity(one *activity, failure *failurepb.Failure) {
	r.service.waits.end(one.command.Input, one.startedAt, false)
	policy := one.command.RetryPolicy
	final := failure.GetApplicationFailureInfo().GetNonRetryable() ||
		policy.MaximumAttempts > 0 && one.attempt >= policy.MaximumAttempts
	if !final {
		wait := policy.InitialInterval.AsDuration() * time.Duration(math.Pow(policy.BackoffCoefficient, float64(one.attempt-1)))
		if most := policy.MaximumInterval.AsDuration(); most > 0 {
			wait = min(wait, most)
		}
		stop(one.timer)
		one.attempt++
		one.startedAt = time.Time{}
		r.transitions++
		one.timer = r.after(max(wait, time.Microsecond), func() {
			one.scheduledAt = time.Now()
			r.offerActivity(one)
		})
		return
	}
	r.endActivity(one, func(started int64) {
		if failure == nil {
			r.append(enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, func(event *historypb.HistoryEvent) {
				event.Attributes = &historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes{
					ActivityTaskTimedOutEventAttributes: &historypb.ActivityTaskTimedOutEventAttributes{
						ScheduledEventId: one.scheduled.EventId, StartedEventId: started,
						Failure: &failurepb.Failure{
							Message: "activity StartToClose timeout",
							FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{
								TimeoutType: enumspb.TIMEOUT_TYPE_START_TO_CLOSE,
							}},
						},
						RetryState: enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED,
					},
				}
			})
			return
		}
		r.append(enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED, func(event *historypb.HistoryEvent) {
			event.Attributes = &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{
				ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{
					Failure: failure, ScheduledEventId: one.scheduled.EventId, StartedEventId: started, Identity: one.identity,
					RetryState: enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED,
				},
			}
		})
	})
}

// endActivity takes an activity off the run and writes its start, then what `write` adds.
func (r *run) endActivity(one *activity, write func(started int64)) {
	stop(one.timer)
	delete(r.activities, one.scheduled.EventId)
	r.deliver(func() {
		started := r.append(enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, func(event *historypb.HistoryEvent) {
			event.EventTime = timestamppb.New(one.startedAt)
			event.Attributes = &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{
				ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{
					ScheduledEventId: one.scheduled.EventId, Identity: one.identity, Attempt: one.attempt,
				},
			}
		})
		write(started.EventId)
	})
}
