// Package fence keeps a shard's old owner from writing.
//
// A writer proves in its transaction that it still owns the shard: it reads the shard's range id under a lock that a take-over conflicts with.
// Temporal's PostgreSQL store uses FOR SHARE, which DSQL refuses. A plain SELECT is not enough under snapshot isolation: the old owner's write
// and the take-over write different rows, so both commit. There are two fences instead, and a model (model.go) that runs through every
// interleaving of each.
package fence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Kind is how a writer locks. A take-over does the same for both, so both may be in use at once, as in a rolling change of the setting.
type Kind string

// The fences.
const (
	// ForUpdate reads the shard's row FOR UPDATE. DSQL documents that rows read so are checked like written ones. Two writers of one shard that
	// overlap conflict, though neither is wrong.
	ForUpdate Kind = "for-update"
	// KeyShare reads the shard's fence row FOR KEY SHARE; a take-over deletes that row. Writers do not conflict with each other. That DSQL
	// lets KEY SHARE conflict with a DELETE is recorded by others and not documented: `auroral-schema verify-fence` tries it on a cluster.
	KeyShare Kind = "key-share"
)

// Kinds are all of them, the default first.
var Kinds = []Kind{ForUpdate, KeyShare}

// ParseKind reads the setting; "" is the default.
func ParseKind(s string) (Kind, error) {
	names := make([]string, len(Kinds))
	for i, k := range Kinds {
		if s == string(k) || s == "" {
			return k, nil
		}
		names[i] = string(k)
	}
	return "", fmt.Errorf("the shard fence %q is not one of: %s", s, strings.Join(names, ", "))
}

// Table holds the fence rows. A row's key has the range id in it, so that a new range is another row and the old one truly deleted. At most one
// row of a shard exists, that of its present range; none exists until the first take-over after the table was made. Only a take-over makes one: it writes
// the shard's row too. A row inserted without that would slip past a take-over under way, which does not see it and so does not delete it.
const Table = `CREATE TABLE IF NOT EXISTS shard_fences (
  shard_id INTEGER NOT NULL,
  range_id BIGINT NOT NULL,
  PRIMARY KEY (shard_id, range_id)
)`

// The statements. Every locking read names all columns of one table's key by equality: DSQL refuses others.
const (
	readShard    = `SELECT range_id FROM shards WHERE shard_id = $1`
	lockShard    = readShard + ` FOR UPDATE`
	lockFence    = `SELECT range_id FROM shard_fences WHERE shard_id = $1 AND range_id = $2 FOR KEY SHARE`
	deleteFences = `DELETE FROM shard_fences WHERE shard_id = $1 AND range_id <> $2`
	insertFence  = `INSERT INTO shard_fences (shard_id, range_id) VALUES ($1, $2) ON CONFLICT (shard_id, range_id) DO NOTHING`
)

// Reader reads one row in the writer's transaction.
type Reader interface {
	GetContext(ctx context.Context, dest any, query string, args ...any) error
}

// Writer changes rows in the transaction of a take-over.
type Writer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Read gives the shard's range id, fenced until the writer's transaction ends; sql.ErrNoRows where there is no such shard.
//
// With KeyShare the shard's row is read plainly first: the range id is part of the fence row's key, and DSQL locks by the whole key only. Both
// reads see the same snapshot, so a fence row that is found is that of the range id returned. Where none is found, as on a database whose
// shards were taken before the table was made, the shard's row is locked instead, which every take-over writes.
func (k Kind) Read(ctx context.Context, tx Reader, shardID int32) (rangeID int64, err error) {
	if k != KeyShare {
		err = tx.GetContext(ctx, &rangeID, lockShard, shardID)
		return rangeID, err
	}
	if err = tx.GetContext(ctx, &rangeID, readShard, shardID); err != nil {
		return 0, err
	}
	var fenced int64
	err = tx.GetContext(ctx, &fenced, lockFence, shardID, rangeID)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.GetContext(ctx, &rangeID, lockShard, shardID)
	}
	return rangeID, err
}

// Replace makes the fence row that of a new range. A take-over calls it in the transaction in which it locks the shard's row FOR UPDATE and
// writes the new range id, whatever the setting is: a writer with either fence then conflicts.
func Replace(ctx context.Context, tx Writer, shardID int32, rangeID int64) error {
	if _, err := tx.ExecContext(ctx, deleteFences, shardID, rangeID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, insertFence, shardID, rangeID)
	return err
}
