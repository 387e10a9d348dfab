// Command instant is a Temporal frontend that answers at once, in memory, to measure what clients cost.
//
// It keeps the meaning of the calls that clients and workers of auroral's five built-in workloads make: histories,
// sticky and eager tasks, timers, children, visibility. What else a client asks is refused as UNIMPLEMENTED.
// It prints its port, then its counts as a line of JSON for each line of standard input and at the end of it.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(arguments []string) error {
	flags := flag.NewFlagSet("instant", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address to serve at; port 0: a free one")
	namespaces := flags.String("namespaces", "default,benchmark", "namespaces that exist from the start")
	keep := flags.Int("keep", 150_000, "closed executions to remember")
	// More of them wake each other up: with two, a workflow took a quarter more CPU at 200 a second.
	cores := flags.Int("cores", 1, "cores to use at most")
	events := flags.Int("events", 200_000, "events of closed executions to remember")
	_ = flags.Parse(arguments)
	if flags.NArg() > 0 {
		return fmt.Errorf("expected flags only, got %q: see -help", flags.Arg(0))
	}
	if *keep < 1 || *events < 1 || *cores < 1 {
		return fmt.Errorf("expected -keep, -events and -cores of at least 1, got %d, %d and %d", *keep, *events, *cores)
	}
	runtime.GOMAXPROCS(*cores)
	debug.SetGCPercent(400) // memory for fewer collections: a collection is CPU that its clients lack
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("cannot serve at %s: %w; name another -listen", *listen, err)
	}
	service := newService(newTable(*keep, *events), strings.Split(*namespaces, ","))
	counts := newCounts()
	server := grpc.NewServer(grpc.UnaryInterceptor(counts.intercept))
	workflowservice.RegisterWorkflowServiceServer(server, service)
	healthy := health.NewServer()
	healthy.SetServingStatus(workflowservice.WorkflowService_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, healthy)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	asked := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			asked <- struct{}{}
		}
		close(asked)
	}()
	for {
		select {
		case err := <-failed:
			return fmt.Errorf("cannot serve any longer: %w", err)
		case _, more := <-asked:
			if err := json.NewEncoder(os.Stdout).Encode(service.report(counts)); err != nil || !more {
				server.Stop()
				return err
			}
		}
	}
}

// report is what the server has seen since it started.
type report struct {
	TimeS     float64          `json:"time_s"`
	CPUS      float64          `json:"cpu_s"`
	Started   int64            `json:"started"`
	Closed    int64            `json:"closed"`
	Open      int              `json:"open"`
	Calls     map[string]int64 `json:"calls"`
	EmptyPoll int64            `json:"empty_polls"`
	// Of activities: how many the workers hold and held at most at one time, and how late the answers came.
	Held      int64   `json:"held"`
	HeldMost  int64   `json:"held_most"`
	Ended     int64   `json:"activities"`
	LateP50MS float64 `json:"late_p50_ms"`
	LateP99MS float64 `json:"late_p99_ms"`
}

func (s *service) report(counts *counts) report {
	return report{
		TimeS:     float64(time.Now().UnixMicro()) / 1e6,
		CPUS:      cpuS(),
		Started:   s.table.started.Load(),
		Closed:    s.table.closed.Load(),
		Open:      s.table.open(),
		Calls:     counts.read(),
		EmptyPoll: s.emptyPolls.Load(),
		Held:      s.waits.held.Load(),
		HeldMost:  s.waits.most.Load(),
		Ended:     s.waits.ended.Load(),
		LateP50MS: s.waits.lateMS(0.5),
		LateP99MS: s.waits.lateMS(0.99),
	}
}
