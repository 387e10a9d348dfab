package plugin

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"

	"auroral/server/internal/connect"
	"auroral/server/internal/pool"
	"auroral/server/internal/session"
	"auroral/server/internal/settings"
	"auroral/server/internal/telemetry"
)

// process is what all stores of one process share: the settings, the credentials, and the gate that every opening passes.
type process struct {
	settings settings.Settings
	aws      aws.Config
	gate     *connect.Gate
	waits    relay
}

func newProcess(s settings.Settings, logger log.Logger) (*process, error) {
	for _, line := range s.Lines() {
		logger.Info("DSQL " + line)
	}
	found, err := connect.LoadAWS(context.Background(), s)
	if err != nil {
		return nil, err
	}
	p := &process{settings: s, aws: found}
	p.gate = connect.GateOf(s, found, &p.waits, logger)
	return p, nil
}

// pool makes the pool of one store. Database and role of Temporal's configuration go before those of the environment.
func (p *process) pool(cfg *config.SQL, owned bool, service string, recorder *telemetry.Recorder, logger log.Logger) (*pool.Pool, error) {
	s := p.settings
	if cfg.DatabaseName != "" {
		s.Database = cfg.DatabaseName
	}
	if cfg.User != "" {
		s.User = cfg.User
	}
	name := service
	if name == "" {
		name = "start-up"
	}
	dialer, err := connect.DialerOf(s, p.aws, p.gate, "temporal-"+name, recorder)
	if err != nil {
		return nil, err
	}
	options := pool.Options{
		Name: name, Target: s.MaxConns, Reservoir: s.Reservoir, Lifetime: s.Lifetime, Jitter: s.LifetimeJitter,
		AcquireTimeout: s.AcquireTimeout, Warmup: warmup(s), Observer: recorder, Logger: logger,
	}
	if !owned {
		options.OnDemand, options.Target, options.Reservoir = true, min(startupConnections, s.MaxConns), 0
	}
	return pool.New(recorded(dialer, s.ReplayLimit, recorder), options), nil
}

func (p *process) observe(recorder *telemetry.Recorder) { p.waits.to.Store(recorder) }
func (p *process) forget(recorder *telemetry.Recorder)  { p.waits.to.CompareAndSwap(recorder, nil) }

// relay tells the gate's waits to the store that was opened last: the gate is older than any metrics.
type relay struct {
	to atomic.Pointer[telemetry.Recorder]
}

func (r *relay) ConnectDone(took time.Duration, reason session.Reason) {
	if o := r.to.Load(); o != nil {
		o.ConnectDone(took, reason)
	}
}

func (r *relay) ConnectWaited(limiter connect.Limiter, wait time.Duration) {
	if o := r.to.Load(); o != nil {
		o.ConnectWaited(limiter, wait)
	}
}

func (r *relay) ConnectUncounted() {
	if o := r.to.Load(); o != nil {
		o.ConnectUncounted()
	}
}

func (r *relay) ConnectTokenSigned(valid time.Duration, err error) {
	if o := r.to.Load(); o != nil {
		o.ConnectTokenSigned(valid, err)
	}
}

func closePool(connections *pool.Pool, logger log.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := connections.Close(ctx); err != nil {
		logger.Warn("Closing the DSQL pool", tag.Error(err))
	}
}
