//go:build live

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/shuffle"
)

// The address of a PostgreSQL whose role may create databases, as a URL.
const variable = "AURORAL_TEST_POSTGRES"

func TestCreate(t *testing.T) {
	url := os.Getenv(variable)
	if url == "" {
		t.Fatalf("expected %s=postgres://user@host:port/postgres, got nothing", variable)
	}
	target, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	for name, version := range versions {
		database := "localdb_" + strings.ToLower(shuffle.String("abcdefghijkl"))
		o := order{
			address: net.JoinHostPort(target.Host, fmt.Sprint(target.Port)), user: target.User, password: target.Password,
			database: database, schema: name,
		}
		t.Cleanup(func() { execute(t, target, "DROP DATABASE "+database) })
		require.NoError(t, create(o, log.NewNoopLogger()))

		made := target.Copy()
		made.Database = database
		conn, err := pgx.ConnectConfig(t.Context(), made)
		require.NoError(t, err)
		var got string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT curr_version FROM schema_version").Scan(&got))
		require.Equal(t, version, got)
		require.NoError(t, conn.Close(t.Context()))

		require.ErrorContains(t, create(o, log.NewNoopLogger()), "already exists", "never touches a database that is there")
	}
}

func execute(t *testing.T, target *pgx.ConnConfig, statement string) {
	ctx := context.Background() // the test's own has ended when cleanups run
	conn, err := pgx.ConnectConfig(ctx, target)
	require.NoError(t, err)
	_, err = conn.Exec(ctx, statement)
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))
}
