// Command go_runner loads a Temporal cluster as the benchmark runner of the system did that auroral follows: a client
// and a worker of the Go SDK in one process, a generator that looks once a millisecond whether a start is due, and a
// long poll for each workflow. It runs the workflow `simple`, which completes at once.
//
// It prints a line of JSON when the schedule begins and one when everything is done. The runner's Prometheus metrics
// are left out, which saves it some CPU.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// tick is how often the generator looks whether a start is due; at most one is sent each time.
const tick = time.Millisecond

// latest is how long after the schedule's end what is due is still sent.
const latest = time.Second

// Simple completes at once.
func Simple(workflow.Context) error { return nil }

type options struct {
	address, namespace, queue string
	ratePerS                  float64
	duration, drain           time.Duration
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	flags := flag.NewFlagSet("go_runner", flag.ExitOnError)
	given := options{}
	flags.StringVar(&given.address, "address", "127.0.0.1:7233", "the frontend")
	flags.StringVar(&given.namespace, "namespace", "benchmark", "an existing namespace")
	flags.StringVar(&given.queue, "task-queue", "go-runner", "task queue, and first part of the workflow ids")
	flags.Float64Var(&given.ratePerS, "rate", 40, "workflows to start each second")
	flags.DurationVar(&given.duration, "duration", time.Minute, "length of the schedule")
	flags.DurationVar(&given.drain, "drain", 30*time.Second, "how long to wait for what is open at its end")
	_ = flags.Parse(arguments)
	if given.ratePerS <= 0 || given.duration <= 0 {
		return fmt.Errorf("expected -rate and -duration above 0, got %g and %s", given.ratePerS, given.duration)
	}
	connected, err := client.Dial(client.Options{HostPort: given.address, Namespace: given.namespace, Logger: quiet{}})
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %w", given.address, err)
	}
	defer connected.Close()
	// As the earlier system's benchmark workers.
	served := worker.New(connected, given.queue, worker.Options{
		MaxConcurrentActivityExecutionSize:      200,
		MaxConcurrentWorkflowTaskExecutionSize:  200,
		MaxConcurrentLocalActivityExecutionSize: 200,
		MaxConcurrentWorkflowTaskPollers:        32,
		MaxConcurrentActivityTaskPollers:        32,
		MaxConcurrentEagerActivityExecutionSize: 100,
		StickyScheduleToStartTimeout:            5 * time.Second,
	})
	served.RegisterWorkflow(Simple)
	if err := served.Start(); err != nil {
		return fmt.Errorf("the worker does not start: %w", err)
	}
	defer served.Stop()
	if err := warmUp(connected, given); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(generate(connected, given))
}

// warmUp runs some workflows, so that connections and caches are there when the schedule begins.
func warmUp(connected client.Client, given options) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for number := range 10 {
		started, err := connected.ExecuteWorkflow(ctx, start(given, fmt.Sprintf("%s-warm-up-%d", given.queue, number)), Simple)
		if err == nil {
			err = started.Get(ctx, nil)
		}
		if err != nil {
			return fmt.Errorf("a warm-up workflow did not complete: %w", err)
		}
	}
	return nil
}

func start(given options, id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: given.queue, WorkflowExecutionTimeout: 10 * time.Minute}
}

// done is what the runner has done.
type done struct {
	Scheduled int     `json:"scheduled"`
	Sent      int     `json:"sent"`
	Completed int     `json:"completed"`
	Failed    int     `json:"failed"`
	LagP99MS  float64 `json:"lag_p99_ms"`
	DrainS    float64 `json:"drain_s"` // from the schedule's end to the last workflow's
	CPUS      float64 `json:"cpu_s"`
}

// generate sends the schedule and waits for what it has sent.
func generate(connected client.Client, given options) done {
	ctx, cancel := context.WithTimeout(context.Background(), given.duration+given.drain)
	defer cancel()
	scheduled := int(given.ratePerS * given.duration.Seconds())
	lags := make([]time.Duration, 0, scheduled)
	var mu sync.Mutex
	var completed, failed int
	var open sync.WaitGroup
	clock := time.NewTicker(tick)
	defer clock.Stop()
	begun := time.Now()
	fmt.Printf("{\"begun_unix_s\": %.6f}\n", float64(begun.UnixMicro())/1e6)
	cpuBefore := cpuS()
	for now := range clock.C {
		passed := now.Sub(begun)
		if passed >= given.duration+latest || len(lags) >= scheduled {
			break
		}
		due := time.Duration(float64(len(lags)) / given.ratePerS * float64(time.Second))
		if passed < due {
			continue
		}
		number := len(lags)
		lags = append(lags, time.Since(begun)-due)
		open.Go(func() {
			err := execute(ctx, connected, given, number)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
			} else {
				completed++
			}
		})
	}
	open.Wait()
	slices.Sort(lags)
	result := done{
		Scheduled: scheduled, Sent: len(lags), Completed: completed, Failed: failed, CPUS: cpuS() - cpuBefore,
		DrainS: max(0, time.Since(begun)-given.duration).Seconds(),
	}
	if len(lags) > 0 {
		result.LagP99MS = float64(lags[(len(lags)-1)*99/100].Microseconds()) / 1e3
	}
	return result
}

func execute(ctx context.Context, connected client.Client, given options, number int) error {
	started, err := connected.ExecuteWorkflow(ctx, start(given, fmt.Sprintf("%s-%d", given.queue, number)), Simple)
	if err != nil {
		return err
	}
	return started.Get(ctx, nil)
}

// cpuS is the CPU that this process has used, in seconds.
func cpuS() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}

// quiet is a logger that says nothing.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(message string, values ...any) {
	fmt.Fprintln(os.Stderr, append([]any{message}, values...)...)
}
