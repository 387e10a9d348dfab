//go:build live

package connect

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"auroral/server/internal/policy"
	"auroral/server/internal/settings"
)

// The variables by which a test tells a process that it is a child, what table it counts in, and how often it passes.
const (
	childTable  = "AURORAL_TEST_CHILD_TABLE"
	childLimit  = "AURORAL_TEST_CHILD_LIMIT"
	childPasses = "AURORAL_TEST_CHILD_PASSES"
)

func TestMain(m *testing.M) {
	if table := os.Getenv(childTable); table != "" {
		if err := passAsChild(table); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// passAsChild is a process of its own: its gate, its SDK client and its clock. It writes a line for each opening that was let through: the second
// in which the counter counted it (0 for one that went past the counter), and when.
func passAsChild(table string) error {
	limit, err := strconv.Atoi(os.Getenv(childLimit))
	if err != nil {
		return err
	}
	passes, err := strconv.Atoi(os.Getenv(childPasses))
	if err != nil {
		return err
	}
	s := settings.Settings{
		Endpoint: testEndpoint, Region: "eu-west-1", RatePerS: 1000, Burst: 1000, Counter: true, CounterTable: table, CounterLimit: limit,
	}
	found, err := LoadAWS(context.Background(), s)
	if err != nil {
		return err
	}
	gate := GateOf(s, found, nil, nil)
	counted := gate.options.Shared
	var mu sync.Mutex
	var seconds []int64
	gate.options.Shared = sharedFunc(func(ctx context.Context, second int64) (bool, error) {
		got, err := counted.Take(ctx, second)
		if got {
			mu.Lock()
			defer mu.Unlock()
			seconds = append(seconds, second)
		}
		return got, err
	})
	for range passes {
		mu.Lock()
		before := len(seconds)
		mu.Unlock()
		if err := gate.Pass(context.Background()); err != nil {
			return err
		}
		second := int64(0)
		if len(seconds) > before {
			second = seconds[before]
		}
		fmt.Printf("%d %d\n", second, time.Now().UnixNano())
	}
	return nil
}

type passed struct {
	second int64
	at     time.Duration // since the Unix epoch
}

// Many processes, each with the real gate: every second holds at most the limit, every span at most what policy.WindowBound says, all get through in
// about the time that the limit asks for, and one that is killed in the midst takes nothing from the others.
func TestLiveProcessesShareTheLimit(t *testing.T) {
	_, name, _ := table(t)
	const processes, passes, limit = 20, 12, 40
	children := make([]*exec.Cmd, processes)
	outputs := make([]*bufio.Scanner, processes)
	for i := range children {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childTable+"="+name, childLimit+"="+strconv.Itoa(limit), childPasses+"="+strconv.Itoa(passes))
		child.Stderr = os.Stderr
		pipe, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children[i], outputs[i] = child, bufio.NewScanner(pipe)
	}
	var mu sync.Mutex
	var through []passed
	var all sync.WaitGroup
	for i := range children {
		all.Go(func() {
			killed := false
			for outputs[i].Scan() {
				var one passed
				var nanos int64
				if _, err := fmt.Sscan(strings.TrimSpace(outputs[i].Text()), &one.second, &nanos); err != nil {
					t.Errorf("process %d wrote %q: %v", i, outputs[i].Text(), err)
					return
				}
				one.at = time.Duration(nanos)
				mu.Lock()
				through = append(through, one)
				mu.Unlock()
				if i == 0 && !killed {
					killed = true
					_ = children[i].Process.Kill()
				}
			}
			if err := children[i].Wait(); (err != nil) != (i == 0) {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	all.Wait()

	seconds := map[int64]int{}
	first, last := through[0].at, through[0].at
	for _, one := range through {
		seconds[one.second]++
		first, last = min(first, one.at), max(last, one.at)
	}
	if seconds[0] > 0 {
		t.Errorf("%d openings went past the counter", seconds[0])
	}
	for second, n := range seconds {
		if n > limit {
			t.Errorf("%d in second %d, the limit is %d", n, second, limit)
		}
	}
	// An opening is told after it was counted: at most within the second that the counter's request may take.
	for _, span := range []time.Duration{time.Second, 3 * time.Second} {
		bound := policy.WindowBound(limit, span+time.Second, 0)
		for _, from := range through {
			n := 0
			for _, one := range through {
				if one.at >= from.at && one.at < from.at+span {
					n++
				}
			}
			if n > bound {
				t.Errorf("%d within %v, the bound is %d", n, span, bound)
			}
		}
	}
	if least := (processes-1)*passes + 1; len(through) < least {
		t.Errorf("%d of %d openings", len(through), least)
	}
	if took, least := last-first, time.Duration(((processes-1)*passes)/limit-2)*time.Second; took < least {
		t.Errorf("all through in %v: faster than the limit allows", took)
	}
	t.Logf("%d openings of %d processes in %v; by second %v", len(through), processes, last-first, seconds)
}
