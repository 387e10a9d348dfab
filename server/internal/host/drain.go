package host

import (
	"fmt"
	"os"
	"time"
)

// Process is the server as this package drives it; temporal.Server is one.
type Process interface {
	Start() error
	Stop() error
}

// Exit codes, as everywhere in auroral.
const (
	ExitDone        = 0
	ExitUnhealthy   = 1
	ExitUsage       = 2
	ExitUnreachable = 3
	ExitInterrupted = 4
)

// Life runs a server from its start to its end.
type Life struct {
	Build       func() (Process, error)
	Signals     <-chan os.Signal
	StopTimeout time.Duration
	After       func(time.Duration) <-chan time.Time
	Say         func(text string)
}

// Run builds the server, starts it, and stops it on the first signal. It gives the exit code: 0 after a clean stop, 2 or 3 where
// the server did not start, 4 where a signal came before it had started, a second one came, or the stop took too long.
func (l Life) Run() int {
	started := make(chan error, 1)
	var process Process
	go func() {
		built, err := l.Build()
		if err == nil {
			process = built
			err = built.Start()
		}
		started <- err
	}()
	select {
	case sig := <-l.Signals:
		l.Say(fmt.Sprintf("Stopped by %s before the server had started", sig))
		return ExitInterrupted
	case err := <-started:
		if err != nil {
			l.Say(fmt.Sprintf("The server did not start: %v", err))
			return CodeOf(err)
		}
	}
	l.Say("The server runs")
	sig := <-l.Signals
	l.Say(fmt.Sprintf("Stopping on %s, within %s; a second signal stops at once", sig, l.StopTimeout))

	stopped := make(chan error, 1)
	go func() { stopped <- process.Stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			l.Say(fmt.Sprintf("The server stopped with an error: %v", err))
			return ExitInterrupted
		}
		l.Say("The server stopped")
		return ExitDone
	case sig := <-l.Signals:
		l.Say(fmt.Sprintf("Stopped at once on a second signal, %s", sig))
	case <-l.After(l.StopTimeout):
		l.Say(fmt.Sprintf("Stopped: the drain did not end within %s (AURORAL_STOP_TIMEOUT)", l.StopTimeout))
	}
	return ExitInterrupted
}
