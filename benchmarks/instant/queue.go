package main

import (
	"container/list"
	"context"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// longPoll is how long a poll waits for a task, as a Temporal frontend does.
	longPoll = 60 * time.Second
	// pollerKept is how long a poller is shown after its last poll.
	pollerKept = 5 * time.Minute
)

type queueKey struct {
	namespace, name string
	kind            enumspb.TaskQueueType
}

// task points at a workflow or activity task of a run by the id of the event that scheduled it.
type task struct {
	run       *run
	scheduled int64
	attempt   int32
	sticky    bool
	added     time.Time
}

// queue matches tasks with polls, both in the order of arrival. Its lock is the innermost.
type queue struct {
	mu         sync.Mutex
	tasks      list.List
	waiters    list.List
	pollers    map[string]time.Time
	added      int64
	dispatched int64
	earlier    sample
	rates      [2]float32
}

// sample is what the counters were when somebody last asked for rates.
type sample struct {
	at                time.Time
	added, dispatched int64
}

type waiter struct {
	handed chan task
}

func (q *queue) add(one task) {
	one.added = time.Now()
	q.mu.Lock()
	q.added++
	q.hand(one)
	q.mu.Unlock()
}

// putBack returns a task whose poll has gone to the head of the queue.
func (q *queue) putBack(one task) {
	q.mu.Lock()
	q.dispatched--
	if first := q.waiters.Front(); first != nil {
		q.hand(one)
	} else {
		q.tasks.PushFront(one)
	}
	q.mu.Unlock()
}

func (q *queue) hand(one task) {
	if first := q.waiters.Front(); first != nil {
		q.dispatched++
		q.waiters.Remove(first).(*waiter).handed <- one
		return
	}
	q.tasks.PushBack(one)
}

// poll waits for a task until the context or the long poll ends.
func (q *queue) poll(ctx context.Context, identity string) (task, bool) {
	q.mu.Lock()
	if q.pollers == nil {
		q.pollers = map[string]time.Time{}
	}
	q.pollers[identity] = time.Now()
	if first := q.tasks.Front(); first != nil {
		q.dispatched++
		one := q.tasks.Remove(first).(task)
		q.mu.Unlock()
		return one, true
	}
	own := &waiter{handed: make(chan task, 1)}
	place := q.waiters.PushBack(own)
	q.mu.Unlock()
	end := time.NewTimer(longPoll)
	defer end.Stop()
	select {
	case one := <-own.handed:
		return one, true
	case <-ctx.Done():
	case <-end.C:
	}
	q.mu.Lock()
	select {
	case one := <-own.handed: // handed over at the very moment
		q.mu.Unlock()
		if ctx.Err() != nil {
			q.putBack(one)
			return task{}, false
		}
		return one, true
	default:
		q.waiters.Remove(place)
		q.mu.Unlock()
		return task{}, false
	}
}

func (q *queue) describe() ([]*taskqueuepb.PollerInfo, *taskqueuepb.TaskQueueStats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	pollers := []*taskqueuepb.PollerInfo{}
	for identity, last := range q.pollers {
		if now.Sub(last) > pollerKept {
			delete(q.pollers, identity)
			continue
		}
		pollers = append(pollers, &taskqueuepb.PollerInfo{
			Identity: identity, LastAccessTime: timestamppb.New(last), RatePerSecond: 100_000,
		})
	}
	if passed := now.Sub(q.earlier.at).Seconds(); passed > 0.9 {
		if !q.earlier.at.IsZero() {
			q.rates[0] = float32(float64(q.added-q.earlier.added) / passed)
			q.rates[1] = float32(float64(q.dispatched-q.earlier.dispatched) / passed)
		}
		q.earlier = sample{now, q.added, q.dispatched}
	}
	stats := &taskqueuepb.TaskQueueStats{
		ApproximateBacklogCount: int64(q.tasks.Len()),
		ApproximateBacklogAge:   durationpb.New(0),
		TasksAddRate:            q.rates[0],
		TasksDispatchRate:       q.rates[1],
	}
	if first := q.tasks.Front(); first != nil {
		stats.ApproximateBacklogAge = durationpb.New(now.Sub(first.Value.(task).added))
	}
	return pollers, stats
}

// queues makes task queues as they are named.
type queues struct {
	mu    sync.RWMutex
	named map[queueKey]*queue
}

func (q *queues) get(key queueKey) *queue {
	q.mu.RLock()
	found := q.named[key]
	q.mu.RUnlock()
	if found != nil {
		return found
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if found := q.named[key]; found != nil {
		return found
	}
	found = &queue{}
	q.named[key] = found
	return found
}
