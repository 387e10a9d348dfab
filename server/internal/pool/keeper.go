package pool

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/server/common/log/tag"

	"auroral/server/internal/policy"
	"auroral/server/internal/session"
)

const (
	reportEvery    = time.Second
	reportAtLatest = 10 // of those, also when nothing changed
)

// Warm opens the pool's connections one after the other, then leaves them to the keeper. It fails when it could open none, or
// when the context ends; then the keeper does not start, and the pool is to be closed.
func (p *Pool) Warm(ctx context.Context) (WarmResult, error) {
	if p.options.OnDemand {
		return WarmResult{}, nil
	}
	ctx, done := p.begin(ctx)
	if done == nil {
		return WarmResult{}, ErrClosed
	}
	defer done()
	p.logger.Info("Starting DSQL pool warmup", tag.NewInt("target_connections", p.options.Target))
	began := p.now()
	warmup := policy.NewWarmup(p.options.Warmup)
	refusal, err := p.fill(ctx, warmup)
	result := WarmResult{WarmupResult: warmup.Result(), Took: p.now() - began}

	p.mu.Lock()
	p.warm = result
	p.mu.Unlock()
	p.options.Observer.PoolWarmed(result)
	if err != nil {
		return result, fmt.Errorf("dsql: warm-up of pool %q ended after %d of %d connections: %w",
			p.options.Name, result.Created, result.Target, err)
	}
	p.logger.Info("DSQL pool warmup complete",
		tag.NewInt("connections_created", result.Created),
		tag.NewInt("connections_failed", result.Failed),
		tag.NewInt("attempts", result.Attempts),
		tag.NewDurationTag("took", result.Took))
	if !result.Usable() {
		return result, fmt.Errorf("dsql: warm-up of pool %q could open no connection in %d attempts: %w",
			p.options.Name, result.Attempts, refusal)
	}
	p.start(p.keep)
	return result, nil
}

// begin joins a caller's context with the pool's, and reserves what it does. It returns no function when the pool is closed.
func (p *Pool) begin(ctx context.Context) (context.Context, func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger.closed {
		return ctx, nil
	}
	p.reserve(true)
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(p.ctx, func() { cancel(ErrClosed) })
	return ctx, func() {
		unhook()
		cancel(nil)
		p.done()
	}
}

// fill does what the warm-up says, and returns the last refusal, and the end of the context where that ended it.
func (p *Pool) fill(ctx context.Context, warmup *policy.Warmup) (refusal, err error) {
	for {
		switch step := warmup.Next(); step.Action {
		case policy.WarmupDone:
			return refusal, nil
		case policy.WarmupWait:
			wait := time.NewTimer(step.Wait)
			select {
			case <-wait.C:
			case <-ctx.Done():
				wait.Stop()
				return refusal, context.Cause(ctx)
			}
		case policy.WarmupOpen:
			p.mu.Lock()
			p.ledger.opening++
			p.mu.Unlock()
			refused := p.open(ctx)
			switch {
			case refused == nil:
				warmup.Opened()
			case ctx.Err() != nil:
				return refusal, context.Cause(ctx)
			default:
				refusal = refused
				warmup.Failed(p.options.Rand())
			}
		}
	}
}

func (p *Pool) wakeKeeper() {
	select {
	case p.nudge <- struct{}{}:
	default: // it is going to look anyway
	}
}

// keep acts on the ledger's plans until the pool closes. After the warm-up it is the only one who opens.
func (p *Pool) keep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p.mu.Lock()
		now := p.now()
		todo := p.ledger.plan(now)
		p.changed = p.changed || todo.open > 0 || len(todo.retire) > 0
		p.busy += todo.open + len(todo.retire)
		p.reserve(todo.probe != nil)
		p.mu.Unlock()

		for range todo.open {
			p.run(func() { _ = p.open(p.ctx) })
		}
		for _, m := range todo.retire {
			p.end(m, Expired)
		}
		if m := todo.probe; m != nil {
			p.run(func() { p.probe(m) })
		}
		if todo.again > 0 {
			timer.Reset(todo.again - now)
		} else {
			timer.Stop()
		}
		select {
		case <-p.ctx.Done():
			return
		case <-p.nudge:
		case <-timer.C:
		}
	}
}

// open opens one connection, whose opening the ledger knows already, and enters how it ended.
func (p *Pool) open(ctx context.Context) error {
	conn, err := p.opener.Open(ctx)
	if err == nil && conn == nil {
		err = &session.RefusedError{Reason: session.Other, Err: fmt.Errorf("the opener gave no connection")}
	}
	if err != nil {
		p.refused(err)
		return err
	}
	u := p.options.Rand()
	p.mu.Lock()
	now := p.now()
	m := &member{conn: conn, expires: policy.Expiry(now, p.options.Lifetime, p.options.Jitter, u)}
	failures := p.ledger.holdoff.Failures()
	leaves := p.ledger.opened(m, now)
	p.reserve(leaves)
	p.changed = true
	p.mu.Unlock()
	if p.options.OnDemand {
		p.options.Observer.StartupConnection(nil)
	}
	if leaves {
		p.end(m, Shutdown)
	}
	if failures > 0 {
		p.logger.Info("DSQL accepts connections again", tag.NewInt("failures", failures))
	}
	p.wakeKeeper()
	return nil
}

func (p *Pool) refused(err error) {
	u := p.options.Rand()
	p.mu.Lock()
	wait := p.ledger.refused(err, p.now(), u)
	failures := p.ledger.holdoff.Failures()
	p.changed = true
	p.mu.Unlock()
	if p.ctx.Err() != nil {
		return // cancelled by Close
	}
	if p.options.OnDemand {
		p.options.Observer.StartupConnection(err)
	}
	p.logger.Warn("DSQL refused a connection",
		tag.Error(err), tag.NewInt("failures", failures), tag.NewDurationTag("next_attempt_in", wait))
	p.wakeKeeper()
}

func (p *Pool) probe(m *member) {
	reason := CloseReason("")
	if !p.answers(p.ctx, m) {
		reason = Stale
	}
	p.giveBack(m, reason)
	p.wakeKeeper()
}

// report tells the observer how the pool stands.
func (p *Pool) report() {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for quiet := 0; ; quiet++ {
		p.mu.Lock()
		tell := p.changed || quiet >= reportAtLatest
		p.changed = false
		stats := p.stats()
		p.mu.Unlock()
		if tell {
			quiet = 0
			p.options.Observer.PoolState(stats)
		}
		select {
		case <-p.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
