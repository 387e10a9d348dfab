// Package plugin registers the SQL plugin `dsql`: Temporal's PostgreSQL store on connections of our own pool.
package plugin

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/iancoleman/strcase"
	"github.com/jmoiron/sqlx"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	persistence "go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/resolver"

	"auroral/server/internal/fence"
	"auroral/server/internal/policy"
	"auroral/server/internal/pool"
	"auroral/server/internal/replay"
	"auroral/server/internal/servicetag"
	"auroral/server/internal/session"
	"auroral/server/internal/settings"
	"auroral/server/internal/store"
	"auroral/server/internal/telemetry"
)

// Name is the plugin's, as `pluginName` in Temporal's configuration.
const Name = store.PluginName

const (
	// startupConnections is the most that a pool of Temporal's start-up opens.
	startupConnections = 2
	// Before the first replay, and what it doubles up to. A conflicting transaction of DSQL has ended by the time it is told.
	replayFirstBackoff = 5 * time.Millisecond
	replayMaxBackoff   = 200 * time.Millisecond
	// maxRecordedBytes is DSQL's own limit of a transaction, 10 MiB, and as much again for what it reads.
	maxRecordedBytes = 20 << 20
	closeTimeout     = 5 * time.Second
)

func init() { persistence.RegisterPlugin(Name, &plugin{env: os.LookupEnv}) }

type plugin struct {
	env     func(string) (string, bool)
	mu      sync.Mutex
	process *process
}

var errVisibility = errors.New("the plugin dsql holds no visibility: DSQL lacks what its schema needs; use OpenSearch, or postgres12_pgx on a PostgreSQL")

// GetVisibilityQueryConverter is asked for where visibility is on SQL; it is the stock one.
func (p *plugin) GetVisibilityQueryConverter() sqlplugin.VisibilityQueryConverter {
	converter, _ := persistence.GetPluginVisibilityQueryConverter(postgresql.PluginNamePGX)
	return converter
}

// CreateDB opens a store. A service's own is warmed before it returns; one that Temporal's start-up opens for a moment connects on demand.
func (p *plugin) CreateDB(
	kind sqlplugin.DbKind, cfg *config.SQL, r resolver.ServiceResolver, logger log.Logger, mh metrics.Handler,
) (sqlplugin.GenericDB, error) {
	if kind == sqlplugin.DbKindVisibility {
		return nil, errVisibility
	}
	process, err := p.shared(logger)
	if err != nil {
		return nil, err
	}
	owned := servicetag.Owned(mh)
	recorder := telemetry.New(mh)
	if owned {
		process.observe(recorder)
	}
	connections, err := process.pool(cfg, owned, servicetag.Of(mh), recorder, logger)
	if err != nil {
		return nil, err
	}
	if owned {
		if _, err := connections.Warm(context.Background()); err != nil {
			closePool(connections, logger)
			return nil, fmt.Errorf("dsql: the pool of %s cannot be warmed: %w", servicetag.Of(mh), err)
		}
	}
	stock := *cfg
	stock.PluginName = postgresql.PluginNamePGX
	stock.Connect = func(*config.SQL) (*sqlx.DB, error) { return lend(connections), nil }
	inner, err := persistence.NewSQLDB(kind, &stock, r, logger, mh)
	if err != nil {
		closePool(connections, logger)
		return nil, err
	}
	db, err := store.New(inner, store.Options{Fence: fence.Kind(process.settings.ShardFence)})
	if err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	return &database{db, func() { closePool(connections, logger); process.forget(recorder) }}, nil
}

// database is a store with its pool.
type database struct {
	*store.DB
	closePool func()
}

// Close closes the store, then the connections that it used.
func (d *database) Close() error {
	err := d.DB.Close()
	d.closePool()
	return err
}

// shared is what all stores of a process have in common, made for the first of them.
func (p *plugin) shared(logger log.Logger) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		found, err := settings.Load(p.env)
		if err != nil {
			return nil, err
		}
		if p.process, err = newProcess(found, logger); err != nil {
			return nil, err
		}
	}
	return p.process, nil
}

// lend gives Temporal a *sql.DB whose connections are tickets: it may close and reopen it as often as it likes. How many are in use at once is the
// pool's to say, so there is no limit here: callers would wait in database/sql, in no order and without the pool's time-out.
func lend(connections *pool.Pool) *sqlx.DB {
	db := sqlx.NewDb(sql.OpenDB(connections.Connector()), "pgx")
	db.SetMaxIdleConns(connections.Stats().Target)
	db.MapperFunc(strcase.ToSnake) // columns by the names of fields, as the stock plugin maps them
	return db
}

// recorded gives an opener whose connections replay their transactions.
func recorded(opener session.Opener, limit int, observer replay.Observer) session.Opener {
	options := replay.Options{
		Limit: limit, FirstBackoff: replayFirstBackoff, MaxBackoff: replayMaxBackoff, MaxRecordedBytes: maxRecordedBytes,
		Rand: rand.Float64, Sleep: sleep, Now: time.Now, Observer: observer,
	}
	return session.OpenerFunc(func(ctx context.Context) (session.Conn, error) {
		c, err := opener.Open(ctx)
		if err != nil {
			return nil, err
		}
		return replay.Wrap(c, options), nil
	})
}

func warmup(s settings.Settings) policy.WarmupConfig {
	return policy.WarmupConfig{MaxRetries: s.WarmupMaxRetries, FirstBackoff: s.WarmupRetryBackoff, MaxBackoff: s.WarmupMaxBackoff}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
