//go:build live

package fence

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
)

// The verifier on plain PostgreSQL, where locks wait. In READ COMMITTED a snapshot is a statement's own, so the late lock reads the new range.

func open(t *testing.T, isolation string) func(context.Context) (*sql.DB, error) {
	t.Helper()
	address := os.Getenv("AURORAL_TEST_POSTGRES")
	if address == "" {
		t.Fatal("AURORAL_TEST_POSTGRES is not set: postgres://user@host:port/database")
	}
	cfg, err := pgx.ParseConfig(address)
	require.NoError(t, err)
	cfg.RuntimeParams["default_transaction_isolation"] = isolation
	return func(context.Context) (*sql.DB, error) { return stdlib.OpenDB(*cfg), nil }
}

func TestVerifyOnPostgreSQL(t *testing.T) {
	for _, isolation := range []string{"repeatable read", "read committed"} {
		t.Run(isolation, func(t *testing.T) {
			ctx := context.Background()
			var told []string
			verdict, err := verify(ctx, open(t, isolation), func(s string) { told = append(told, s) }, 300*time.Millisecond, readerOf)
			require.NoError(t, err)
			t.Log(strings.Join(told, "\n"))
			require.True(t, verdict.Holds(ForUpdate))
			require.True(t, verdict.Holds(KeyShare))
			require.True(t, verdict[ForUpdate].WritersConflict)
			require.False(t, verdict[KeyShare].WritersConflict)
			require.Len(t, told, len(Kinds)*(rounds*len(trials)+2))
			requireNothingLeft(t, isolation)
		})
	}
}

// TestVerifyFindsABreach tries a lock that is none.
func TestVerifyFindsABreach(t *testing.T) {
	plain := func(Kind) reader {
		return func(ctx context.Context, tx Reader, shardID int32) (id int64, err error) {
			return id, tx.GetContext(ctx, &id, readShard, shardID)
		}
	}
	for _, tr := range trials {
		all := trials
		trials = []trial{tr}
		verdict, err := verify(context.Background(), open(t, "repeatable read"), func(s string) { t.Log(s) }, 300*time.Millisecond, plain)
		trials = all
		require.NoError(t, err)
		for _, k := range Kinds {
			require.False(t, verdict.Holds(k))
			require.Contains(t, verdict[k].Why, "both committed")
		}
	}
	requireNothingLeft(t, "repeatable read")
}

func TestVerifyTellsAStatementThatIsRefused(t *testing.T) {
	refused := func(Kind) reader {
		return func(ctx context.Context, tx Reader, shardID int32) (id int64, err error) {
			return id, tx.GetContext(ctx, &id, readShard+" FOR NO SUCH THING", shardID)
		}
	}
	verdict, err := verify(context.Background(), open(t, "repeatable read"), func(string) {}, 300*time.Millisecond, refused)
	require.NoError(t, err)
	require.False(t, verdict.Holds(ForUpdate))
	require.Contains(t, verdict[ForUpdate].Why, "42601")
}

func requireNothingLeft(t *testing.T, isolation string) {
	t.Helper()
	db, err := open(t, isolation)(context.Background())
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	var n int
	require.NoError(t, db.QueryRow("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'auroral_fence_%'").Scan(&n))
	require.Zero(t, n)
}
