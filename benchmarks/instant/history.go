package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

// historyPoll is how long a request for an event that is not there yet is held, as a Temporal frontend does.
const historyPoll = 20 * time.Second

// GetWorkflowExecutionHistory gives all events, or the closing one, and waits for them where it is asked to.
func (s *service) GetWorkflowExecutionHistory(
	ctx context.Context, request *workflowservice.GetWorkflowExecutionHistoryRequest,
) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	r, err := s.find(request.Namespace, request.Execution)
	if err != nil {
		return nil, err
	}
	closing := request.HistoryEventFilterType == enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
	from, err := r.decodePage(request.NextPageToken)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	if request.WaitNewEvent {
		if closing {
			r.awaitClose(ctx)
		} else {
			r.awaitEvent(ctx, from)
		}
	}
	defer r.mu.Unlock()
	if r.events == nil {
		return nil, serviceerror.NewNotFound("the history of workflow " + r.key.id + " has been forgotten: see -events")
	}
	answer := &workflowservice.GetWorkflowExecutionHistoryResponse{}
	end := len(r.events)
	switch {
	case closing && r.isClosed.Load():
		answer.History = &historypb.History{Events: r.events[end-1 : end : end]}
		return answer, nil
	case closing && !request.WaitNewEvent:
		answer.History = &historypb.History{Events: r.events[end-1 : end : end]}
		return answer, nil
	case closing:
		answer.History = &historypb.History{}
	default:
		most := end
		if request.MaximumPageSize > 0 {
			most = min(end, from+int(request.MaximumPageSize))
		}
		answer.History = &historypb.History{Events: r.events[from:most:most]}
		from = most
	}
	if from < end || request.WaitNewEvent && !r.isClosed.Load() {
		answer.NextPageToken = []byte(r.id + "/" + strconv.Itoa(from))
	}
	return answer, nil
}

// decodePage reads a page token: the run that it belongs to, and how many events came before.
func (r *run) decodePage(token []byte) (int, error) {
	if len(token) == 0 {
		return 0, nil
	}
	id, text, _ := strings.Cut(string(token), "/")
	from, err := strconv.Atoi(text)
	if err != nil || from < 0 || id != r.id {
		return 0, serviceerror.NewInvalidArgument("expected a page token of this workflow's history")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(from, len(r.events)), nil
}

// awaitClose waits with the lock released while it does.
func (r *run) awaitClose(ctx context.Context) {
	if r.ended != nil {
		r.release(ctx, r.ended)
	}
}

// awaitEvent waits for an event beyond the first `from`.
func (r *run) awaitEvent(ctx context.Context, from int) {
	if len(r.events) > from || r.isClosed.Load() {
		return
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	r.release(ctx, r.changed)
}

func (r *run) release(ctx context.Context, until <-chan struct{}) {
	r.mu.Unlock()
	defer r.mu.Lock()
	end := time.NewTimer(historyPoll)
	defer end.Stop()
	select {
	case <-until:
	case <-ctx.Done():
	case <-end.C:
	}
}
