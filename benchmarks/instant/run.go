package main

import (
	"sync"
	"sync/atomic"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// defaultTaskTimeout is a workflow task's start-to-close time-out where the start names none.
const defaultTaskTimeout = 10 * time.Second

// run is one execution. Locks nest from parents to children, then queues; never the other way.
type run struct {
	service   *service
	key       runKey
	id        string
	requestID string
	kind      *commonpb.WorkflowType
	queue     string
	startedAt time.Time
	number    int64 // in the order of starts
	parent    *run
	initiated int64 // the parent's event that asked for this run
	// startedInParent is the parent's event that tells of this run's start; the parent's lock guards it.
	startedInParent int64

	isClosed atomic.Bool

	mu          sync.Mutex
	events      []*historypb.HistoryEvent
	length      int
	transitions int64
	buffered    []func()
	task        workflowTask
	attempt     int32
	previous    int64 // the started event of the last workflow task that was completed
	sticky      *taskqueuepb.StickyExecutionAttributes
	activities  map[int64]*activity
	timers      map[string]*time.Timer
	children    map[int64]*run
	expiry      *time.Timer
	taskTimeout time.Duration
	closing     *historypb.HistoryEvent
	closedAt    time.Time
	status      enumspb.WorkflowExecutionStatus
	changed     chan struct{}
	ended       chan struct{}
}

// workflowTask is the one that is scheduled or started; scheduled 0: none.
type workflowTask struct {
	scheduled, started int64
	scheduledAt        time.Time
	attempt            int32
	sticky             bool
	timer              *time.Timer
}

// activity is one that has not ended.
type activity struct {
	scheduled   *historypb.HistoryEvent
	command     *commandpb.ScheduleActivityTaskCommandAttributes
	attempt     int32
	scheduledAt time.Time
	startedAt   time.Time
	identity    string
	timer       *time.Timer
}

// append adds an event to the history. The lock is held, as by all that follow unless they say otherwise.
func (r *run) append(kind enumspb.EventType, fill func(*historypb.HistoryEvent)) *historypb.HistoryEvent {
	r.length++
	event := &historypb.HistoryEvent{EventId: int64(r.length), EventTime: timestamppb.Now(), EventType: kind, TaskId: int64(r.length)}
	fill(event)
	r.events = append(r.events, event)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	return event
}

// deliver adds what has happened outside of workflow tasks, now or after the one that is being worked on.
func (r *run) deliver(happened func()) {
	if r.isClosed.Load() {
		return
	}
	r.transitions++
	if r.task.started != 0 {
		r.buffered = append(r.buffered, happened)
		return
	}
	happened()
	r.schedule()
}

// flush adds what happened during a workflow task that is over, and reports whether there was anything.
func (r *run) flush() bool {
	happened := r.buffered
	r.buffered = nil
	for _, one := range happened {
		one()
	}
	return len(happened) > 0
}

// schedule makes a workflow task unless there is one, and offers it to the workers.
func (r *run) schedule() {
	if r.isClosed.Load() || r.task.scheduled != 0 {
		return
	}
	r.offer(r.makeTask())
}

// makeTask makes a workflow task that is scheduled and offered to nobody.
func (r *run) makeTask() task {
	sticky := r.sticky != nil
	queue := &taskqueuepb.TaskQueue{Name: r.queue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
	if sticky {
		queue = r.sticky.WorkerTaskQueue
	}
	attempt := max(1, r.attempt)
	event := r.append(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{
			WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{
				TaskQueue: queue, StartToCloseTimeout: durationpb.New(r.taskTimeout), Attempt: attempt,
			},
		}
	})
	r.task = workflowTask{scheduled: event.EventId, scheduledAt: event.EventTime.AsTime(), attempt: attempt, sticky: sticky}
	return task{run: r, scheduled: event.EventId, sticky: sticky}
}

// offer puts a workflow task into its queue; a sticky one that nobody takes in time moves to the normal queue.
func (r *run) offer(one task) {
	key := queueKey{r.key.namespace, r.queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW}
	if one.sticky {
		key.name = r.sticky.WorkerTaskQueue.Name
		r.task.timer = r.after(r.sticky.ScheduleToStartTimeout.AsDuration(), func() {
			r.loseTask(one.scheduled, 0, enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START)
		})
	}
	r.service.queues.get(key).add(one)
}

// loseTask times a workflow task out and schedules the next on the normal queue.
func (r *run) loseTask(scheduled, started int64, kind enumspb.TimeoutType) {
	if r.task.scheduled != scheduled || r.task.started != started {
		return
	}
	r.task.stop()
	r.append(enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, func(event *historypb.HistoryEvent) {
		event.Attributes = &historypb.HistoryEvent_WorkflowTaskTimedOutEventAttributes{
			WorkflowTaskTimedOutEventAttributes: &historypb.WorkflowTaskTimedOutEventAttributes{
				ScheduledEventId: scheduled, StartedEventId: started, TimeoutType: kind,
			},
		}
	})
	if kind == enumspb.TIMEOUT_TYPE_START_TO_CLOSE {
		r.attempt = r.task.attempt + 1
	}
	r.task, r.sticky = workflowTask{}, nil
	r.flush()
	r.schedule()
}

// after runs something later, with the lock, unless the run has closed by then.
func (r *run) after(wait time.Duration, do func()) *time.Timer {
	if wait <= 0 {
		return nil
	}
	return time.AfterFunc(wait, func() {
		r.mu.Lock()
		if !r.isClosed.Load() {
			do()
		}
		finish := r.takeFinish()
		r.mu.Unlock()
		finish()
	})
}

func (t *workflowTask) stop() {
	stop(t.timer)
}

func stop(timer *time.Timer) {
	if timer != nil {
		timer.Stop()
	}
}

// close ends the run. Whoever holds the lock calls what `takeFinish` returns once it is released.
func (r *run) close(status enumspb.WorkflowExecutionStatus, event *historypb.HistoryEvent) {
	r.status, r.closing, r.closedAt = status, event, event.EventTime.AsTime()
	r.isClosed.Store(true)
	r.task.stop()
	stop(r.expiry)
	for _, timer := range r.timers {
		stop(timer)
	}
	for _, one := range r.activities {
		stop(one.timer)
		if !one.startedAt.IsZero() {
			r.service.waits.end(nil, one.startedAt, false)
		}
	}
	r.activities, r.timers, r.buffered, r.sticky = nil, nil, nil, nil
}

// takeFinish returns, once, what is to be done after a close and without the lock.
func (r *run) takeFinish() func() {
	if !r.isClosed.Load() || r.ended == nil {
		return func() {}
	}
	ended, children, closing := r.ended, r.children, r.closing
	r.ended, r.children = nil, nil
	return func() {
		r.service.table.retire(r)
		close(ended)
		for _, child := range children {
			child.terminate("by parent close policy", "history-service")
		}
		if r.parent != nil {
			r.parent.childEnded(r, closing)
		}
	}
}

// terminate ends a run from outside; it reports whether the run was open. The lock is not held.
func (r *run) terminate(reason, identity string) bool {
	r.mu.Lock()
	if r.isClosed.Load() {
		r.mu.Unlock()
		return false
	}
	r.transitions++
	r.close(enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, r.append(
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, func(event *historypb.HistoryEvent) {
			event.Attributes = &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
				WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{
					Reason: reason, Identity: identity,
				},
			}
		}))
	finish := r.takeFinish()
	r.mu.Unlock()
	finish()
	return true
}

// expire ends a run whose execution time-out has passed.
func (r *run) expire() {
	r.transitions++
	r.close(enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, r.append(
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT, func(event *historypb.HistoryEvent) {
			event.Attributes = &historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes{
				WorkflowExecutionTimedOutEventAttributes: &historypb.WorkflowExecutionTimedOutEventAttributes{
					RetryState: enumspb.RETRY_STATE_TIMEOUT,
				},
			}
		}))
}

// forgetHistory drops the events of a closed run and returns how many they were. The lock is not held.
func (r *run) forgetHistory() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := len(r.events)
	r.events, r.closing = nil, nil
	return count
}

func (r *run) execution() *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: r.key.id, RunId: r.id}
}
