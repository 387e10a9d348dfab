package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	mostListed = 1000
	chunk      = 1000 // closed runs that are looked at with the table locked
	// outOfOrder is how much earlier than its neighbours a run may have closed: it is filed a moment after.
	outOfOrder = time.Second
)

// each calls `see` for the runs that a query matches: the open ones, the latest first, then the closed ones that
// were filed before number `before` (negative: all). It ends where `see` says so.
func (s *service) each(namespace string, asked query, before int, see func(one *run, number int) bool) {
	if before < 0 && !asked.closedOnly {
		for _, one := range s.table.openRuns() {
			if one.key.namespace == namespace && asked.matches(one) && !see(one, -1) {
				return
			}
		}
	}
	for {
		found, last := s.table.closedBefore(before, chunk)
		if len(found) == 0 {
			return
		}
		for index, one := range found {
			if !asked.closedAfter.IsZero() && one.closedAt.Before(asked.closedAfter.Add(-outOfOrder)) {
				return
			}
			if one.key.namespace == namespace && asked.matches(one) && !see(one, last+len(found)-1-index) {
				return
			}
		}
		before = last
		if before == 0 {
			return
		}
	}
}

// ListWorkflowExecutions lists at once what has happened, unlike a visibility store.
func (s *service) ListWorkflowExecutions(
	_ context.Context, request *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	if err := s.requireNamespace(request.Namespace); err != nil {
		return nil, err
	}
	asked, err := parse(request.Query)
	if err != nil {
		return nil, err
	}
	before := -1
	if len(request.NextPageToken) > 0 {
		if before, err = strconv.Atoi(string(request.NextPageToken)); err != nil {
			return nil, serviceerror.NewInvalidArgument("expected a page token of this server")
		}
	}
	most := int(request.PageSize)
	if most <= 0 || most > mostListed {
		most = mostListed
	}
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	s.each(request.Namespace, asked, before, func(one *run, number int) bool {
		// The open ones come in one page with the first closed ones: they have no place to go on from.
		if len(answer.Executions) >= most && number >= 0 {
			answer.NextPageToken = strconv.AppendInt(nil, int64(number+1), 10)
			return false
		}
		answer.Executions = append(answer.Executions, one.info())
		return true
	})
	return answer, nil
}

// CountWorkflowExecutions counts, by status where the query says so.
func (s *service) CountWorkflowExecutions(
	_ context.Context, request *workflowservice.CountWorkflowExecutionsRequest,
) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	if err := s.requireNamespace(request.Namespace); err != nil {
		return nil, err
	}
	asked, err := parse(request.Query)
	if err != nil {
		return nil, err
	}
	counts := map[enumspb.WorkflowExecutionStatus]int64{}
	answer := &workflowservice.CountWorkflowExecutionsResponse{}
	s.each(request.Namespace, asked, -1, func(one *run, number int) bool {
		status := enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
		if number >= 0 {
			status = one.status
		}
		counts[status]++
		answer.Count++
		return true
	})
	if !asked.grouped {
		return answer, nil
	}
	for status, count := range counts {
		answer.Groups = append(answer.Groups, &workflowservice.CountWorkflowExecutionsResponse_AggregationGroup{
			GroupValues: []*commonpb.Payload{{
				Metadata: map[string][]byte{"encoding": []byte("json/plain"), "type": []byte("Keyword")},
				Data:     fmt.Appendf(nil, "%q", status.String()),
			}},
			Count: count,
		})
	}
	return answer, nil
}

// DescribeWorkflowExecution tells of one run.
func (s *service) DescribeWorkflowExecution(
	_ context.Context, request *workflowservice.DescribeWorkflowExecutionRequest,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	r, err := s.find(request.Namespace, request.Execution)
	if err != nil {
		return nil, err
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		ExecutionConfig: &workflowpb.WorkflowExecutionConfig{
			TaskQueue: &taskqueuepb.TaskQueue{Name: r.queue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		},
		WorkflowExecutionInfo: r.info(),
	}, nil
}

// info is a run as visibility shows it. The lock is not held.
func (r *run) info() *workflowpb.WorkflowExecutionInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: r.execution(), Type: r.kind, TaskQueue: r.queue, Status: r.status,
		StartTime: timestamppb.New(r.startedAt), ExecutionTime: timestamppb.New(r.startedAt),
		HistoryLength: int64(r.length), StateTransitionCount: r.transitions,
	}
	if r.isClosed.Load() {
		info.CloseTime = timestamppb.New(r.closedAt)
	}
	if r.parent != nil {
		info.ParentExecution = r.parent.execution()
	}
	return info
}
