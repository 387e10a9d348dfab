package main

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// StartBatchOperation terminates what a query matches, at once; other operations are refused.
func (s *service) StartBatchOperation(
	_ context.Context, request *workflowservice.StartBatchOperationRequest,
) (*workflowservice.StartBatchOperationResponse, error) {
	if err := s.requireNamespace(request.Namespace); err != nil {
		return nil, err
	}
	termination := request.GetTerminationOperation()
	if termination == nil {
		return nil, serviceerror.NewUnimplemented("this server's only batch operation is termination")
	}
	asked, err := parse(request.VisibilityQuery)
	if err != nil {
		return nil, err
	}
	found := []*run{}
	s.each(request.Namespace, asked, -1, func(one *run, number int) bool {
		if number < 0 {
			found = append(found, one)
		}
		return number < 0
	})
	state := &workflowservice.DescribeBatchOperationResponse{
		OperationType: enumspb.BATCH_OPERATION_TYPE_TERMINATE, JobId: request.JobId, Reason: request.Reason,
		State: enumspb.BATCH_OPERATION_STATE_COMPLETED, StartTime: timestamppb.New(time.Now()),
		TotalOperationCount: int64(len(found)), CompleteOperationCount: int64(len(found)), Identity: termination.Identity,
	}
	s.mu.Lock()
	_, known := s.batches[request.JobId]
	if !known {
		s.batches[request.JobId] = state
	}
	s.mu.Unlock()
	if known {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("the batch operation is known", request.JobId, request.JobId)
	}
	for _, one := range found {
		one.terminate(request.Reason, termination.Identity)
	}
	return &workflowservice.StartBatchOperationResponse{}, nil
}

// DescribeBatchOperation tells of one, which is over.
func (s *service) DescribeBatchOperation(
	_ context.Context, request *workflowservice.DescribeBatchOperationRequest,
) (*workflowservice.DescribeBatchOperationResponse, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	state := s.batches[request.JobId]
	if state == nil {
		return nil, serviceerror.NewNotFound("no batch operation " + request.JobId)
	}
	return state, nil
}
