package connect

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"

	"auroral/server/internal/policy"
)

const (
	// counterTimeout is for one request to the counter; the first of a process fetches credentials too.
	counterTimeout = 2 * time.Second
	// How long the counter is left alone after a failure.
	counterHoldoff    = 5 * time.Second
	counterHoldoffMax = 60 * time.Second
)

// SharedLimit counts openings of all processes in one second.
type SharedLimit interface {
	// Take counts one opening in that second and returns true, or false where the second is full. An error means that nobody knows.
	Take(ctx context.Context, unixSecond int64) (bool, error)
}

// GateOptions say what a gate holds back.
type GateOptions struct {
	RatePerS        float64 // openings a second of this process
	Burst           int
	Stagger         bool // wait for up to StaggerMaxDelay before the first opening
	StaggerMaxDelay time.Duration
	Shared          SharedLimit    // nil for none
	Rand            func() float64 // uniform in [0, 1)
	Observer        Observer
	Logger          log.Logger
}

// Gate holds openings back until the limiters let them through. All pools of a process share one.
type Gate struct {
	options GateOptions
	started time.Time
	delayed sync.Once
	opensAt time.Time
	turn    chan struct{} // held by who asks the bucket: openings go in the order in which they came

	mu      sync.Mutex // guards what follows
	bucket  *policy.Bucket
	holdoff policy.Holdoff
	probing bool // one opening is trying whether the table works again
}

// NewGate makes a gate.
func NewGate(options GateOptions) *Gate {
	if options.Rand == nil {
		options.Rand = rand.Float64
	}
	if options.Observer == nil {
		options.Observer = silent{}
	}
	if options.Logger == nil {
		options.Logger = log.NewNoopLogger()
	}
	return &Gate{
		options: options,
		started: time.Now(),
		turn:    make(chan struct{}, 1),
		bucket:  policy.NewBucket(options.RatePerS, options.Burst, 0),
		holdoff: policy.Holdoff{First: counterHoldoff, Max: counterHoldoffMax},
	}
}

// Pass returns when one connection may be opened, or with the context's error.
func (g *Gate) Pass(ctx context.Context) error {
	if err := g.passStart(ctx); err != nil {
		return err
	}
	if err := g.passLocal(ctx); err != nil {
		return err
	}
	if g.options.Shared == nil {
		return nil
	}
	return g.passShared(ctx)
}

func (g *Gate) passStart(ctx context.Context) error {
	g.delayed.Do(func() {
		g.opensAt = time.Now().Add(policy.StartDelay(g.options.Stagger, g.options.StaggerMaxDelay, g.options.Rand()))
	})
	wait := time.Until(g.opensAt)
	if wait <= 0 {
		return ctx.Err()
	}
	defer g.waited(StartDelay, time.Now())
	return sleep(ctx, wait)
}

func (g *Gate) passLocal(ctx context.Context) error {
	defer g.waited(Local, time.Now())
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.turn }()
	for {
		g.mu.Lock()
		wait := g.bucket.Take(time.Since(g.started))
		g.mu.Unlock()
		if wait == 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (g *Gate) passShared(ctx context.Context) error {
	defer g.waited(Shared, time.Now())
	for refusals := 0; ; {
		if !g.maySharedBeAsked() {
			g.options.Observer.ConnectUncounted()
			return ctx.Err()
		}
		taken, err := g.askShared(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			g.options.Observer.ConnectUncounted()
			return nil
		}
		if taken {
			return nil
		}
		refusals++
		now := time.Duration(time.Now().UnixNano())
		if err := sleep(ctx, policy.AfterRefusal(now, refusals, g.options.Rand())); err != nil {
			return err
		}
	}
}

// maySharedBeAsked is whether to ask the counter; with a yes, askShared must follow.
func (g *Gate) maySharedBeAsked() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.holdoff.Leave(time.Since(g.started)) {
	case policy.Free:
		return true
	case policy.Held:
		return false
	default:
		if g.probing {
			return false
		}
		g.probing = true
		return true
	}
}

func (g *Gate) askShared(ctx context.Context) (bool, error) {
	asking, cancel := context.WithTimeout(ctx, counterTimeout)
	defer cancel()
	taken, err := g.options.Shared.Take(asking, policy.UnixSecond(time.Duration(time.Now().UnixNano())))
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.holdoff.Failures()
	g.probing = false
	switch {
	case ctx.Err() != nil: // the caller went away, which says nothing about the table
	case err != nil:
		wait := g.holdoff.Failed(time.Since(g.started), g.options.Rand())
		if g.holdoff.Failures() > before {
			g.options.Logger.Warn("the counter of DSQL connections does not answer: opening under the local limiter alone",
				tag.Error(err), tag.NewDurationTag("asked_again_after", wait))
		}
	default:
		g.holdoff.Succeeded()
		if before > 0 {
			g.options.Logger.Info("the counter of DSQL connections answers again")
		}
	}
	return taken, err
}

func (g *Gate) waited(limiter Limiter, since time.Time) {
	g.options.Observer.ConnectWaited(limiter, time.Since(since))
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
