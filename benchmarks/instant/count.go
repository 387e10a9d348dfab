package main

import (
	"context"
	"strings"
	"sync/atomic"
	"syscall"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// counts holds how often each method was called; the map is read only once it is made.
type counts struct {
	methods map[string]*atomic.Int64
}

func newCounts() *counts {
	made := &counts{methods: map[string]*atomic.Int64{}}
	for _, method := range workflowservice.WorkflowService_ServiceDesc.Methods {
		made.methods["/"+workflowservice.WorkflowService_ServiceDesc.ServiceName+"/"+method.MethodName] = &atomic.Int64{}
	}
	return made
}

func (c *counts) intercept(
	ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
) (any, error) {
	if count, known := c.methods[info.FullMethod]; known {
		count.Add(1)
	}
	answer, err := handle(ctx, request)
	if err != nil {
		return nil, serviceerror.ToStatus(err).Err()
	}
	return answer, nil
}

func (c *counts) read() map[string]int64 {
	seen := map[string]int64{}
	for method, count := range c.methods {
		if called := count.Load(); called > 0 {
			seen[method[strings.LastIndexByte(method, '/')+1:]] = called
		}
	}
	return seen
}

// cpuS is the CPU that this process has used, in seconds.
func cpuS() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return seconds(usage.Utime) + seconds(usage.Stime)
}

func seconds(value syscall.Timeval) float64 {
	return float64(value.Sec) + float64(value.Usec)/1e6
}
