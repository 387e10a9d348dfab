// Package store is Temporal's PostgreSQL store with the overrides that DSQL needs, and no others: docs/dsql-audit.md goes through every
// statement of the stock store. Locks that DSQL refuses are in locks.go, keys that cannot be bytea in keys.go, deletes that could modify more
// rows than a transaction may in ranges.go and execution.go.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"auroral/server/internal/fence"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
)

// PluginName is the store's name in Temporal's configuration.
const PluginName = "dsql"

// Options of the store.
type Options struct {
	Fence fence.Kind // how a writer proves that it owns its shard; "" is the default

	// MaxRows is how many rows one transaction deletes at most of what a delete finds; 0 is DefaultMaxRows.
	MaxRows int
}

// DefaultMaxRows leaves room below DSQL's 3,000 modified rows (quotas page) for what else a transaction modifies.
const DefaultMaxRows = 2000

// longDeletes is how many deletes may at once use a second connection while they hold their transaction's. More would let all connections of a
// pool wait for each other.
const longDeletes = 4

// querier is what the stock store offers beside its interface: statements on its connection or in its transaction.
type querier interface {
	GetContext(ctx context.Context, dest any, query string, args ...any) error
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// New wraps the stock store, which must be the one of the plugin postgres12_pgx.
func New(inner sqlplugin.DB, o Options) (*DB, error) {
	admin, ok := inner.(sqlplugin.AdminDB)
	if !ok {
		return nil, fmt.Errorf("dsql: expected the stock PostgreSQL store, got %T", inner)
	}
	if o.Fence == "" {
		o.Fence = fence.ForUpdate
	}
	if o.MaxRows <= 0 {
		o.MaxRows = DefaultMaxRows
	}
	t, err := newTable(inner, o)
	if err != nil {
		return nil, err
	}
	return &DB{table: t, AdminDB: admin, inner: inner, long: make(chan struct{}, longDeletes)}, nil
}

// DB is the store. It implements sqlplugin.DB and sqlplugin.AdminDB.
type DB struct {
	table
	sqlplugin.AdminDB
	inner sqlplugin.DB
	long  chan struct{} // a place for each delete that uses a second connection
}

var (
	_ sqlplugin.DB      = (*DB)(nil)
	_ sqlplugin.AdminDB = (*DB)(nil)
	_ sqlplugin.Tx      = (*Tx)(nil)
)

// PluginName names the plugin.
func (d *DB) PluginName() string { return PluginName }

// IsDupEntryError says whether a row with the same key is there already.
func (d *DB) IsDupEntryError(err error) bool { return d.inner.IsDupEntryError(err) }

// BeginTx opens a transaction.
func (d *DB) BeginTx(ctx context.Context) (sqlplugin.Tx, error) {
	inner, err := d.inner.BeginTx(ctx)
	if err != nil {
		return nil, err
	}
	t, err := newTable(inner, d.o)
	if err != nil {
		return nil, errors.Join(err, inner.Rollback())
	}
	return &Tx{table: t, inner: inner, db: d}, nil
}

// Tx is an open transaction.
type Tx struct {
	table
	inner   sqlplugin.Tx
	db      *DB
	shards  map[int32]int64 // the range ids of the shards that were locked to be written
	fenced  bool            // it read a shard's range id: it is an owner's conditional write
	deleted int             // rows, by deletes that may find many
}

// Commit commits.
func (t *Tx) Commit() error { return t.inner.Commit() }

// Rollback rolls back.
func (t *Tx) Rollback() error { return t.inner.Rollback() }

// table holds the overrides that a store and its transactions share.
type table struct {
	sqlplugin.TableCRUD
	q querier
	o Options
}

func newTable(inner sqlplugin.TableCRUD, o Options) (table, error) {
	q, ok := inner.(querier)
	if !ok {
		return table{}, fmt.Errorf("dsql: %T of the stock PostgreSQL store runs no statements of ours any more", inner)
	}
	return table{inner, q, o}, nil
}

func sqlState(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}
