package host

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a server whose start and stop the test holds.
type process struct {
	started, stopped chan error
	stopping         chan struct{}
}

func newProcess() *process {
	return &process{started: make(chan error, 1), stopped: make(chan error, 1), stopping: make(chan struct{})}
}

func (p *process) Start() error { return <-p.started }

func (p *process) Stop() error {
	close(p.stopping)
	return <-p.stopped
}

type run struct {
	*process
	signals chan os.Signal
	expired chan time.Time
	bound   chan time.Duration
	said    chan string
	code    chan int
}

func begin(build error) *run {
	r := &run{
		process: newProcess(), signals: make(chan os.Signal, 2), expired: make(chan time.Time, 1),
		bound: make(chan time.Duration, 1), said: make(chan string, 8), code: make(chan int, 1),
	}
	life := Life{
		Build: func() (Process, error) {
			if build != nil {
				return nil, build
			}
			return r.process, nil
		},
		Signals: r.signals, StopTimeout: 100 * time.Second, Say: func(text string) { r.said <- text },
		After: func(d time.Duration) <-chan time.Time { r.bound <- d; return r.expired },
	}
	go func() { r.code <- life.Run() }()
	return r
}

func stopping(t *testing.T) *run {
	t.Helper()
	r := begin(nil)
	r.started <- nil
	require.Equal(t, "The server runs", <-r.said)
	r.signals <- syscall.SIGTERM
	<-r.stopping
	require.Equal(t, 100*time.Second, <-r.bound)
	return r
}

func TestACleanStopIsZero(t *testing.T) {
	r := stopping(t)
	r.stopped <- nil
	require.Equal(t, ExitDone, <-r.code)
}

func TestASecondSignalStopsAtOnce(t *testing.T) {
	r := stopping(t)
	r.signals <- syscall.SIGTERM
	require.Equal(t, ExitInterrupted, <-r.code)
}

func TestADrainEndsWithItsTime(t *testing.T) {
	r := stopping(t)
	r.expired <- time.Time{}
	require.Equal(t, ExitInterrupted, <-r.code)
}

func TestAFailedStopIsTold(t *testing.T) {
	r := stopping(t)
	r.stopped <- errors.New("broken")
	require.Equal(t, ExitInterrupted, <-r.code)
}

func TestASignalBeforeTheStart(t *testing.T) {
	r := begin(nil)
	r.signals <- os.Interrupt
	require.Equal(t, ExitInterrupted, <-r.code)
}

func TestAServerThatDoesNotStart(t *testing.T) {
	r := begin(nil)
	r.started <- errors.New("no database")
	require.Equal(t, ExitUnreachable, <-r.code)
	require.Equal(t, ExitUnreachable, <-begin(errors.New("no database")).code)
	require.Equal(t, ExitUsage, <-begin(&UsageError{"wrong"}).code)
}
