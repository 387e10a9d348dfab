package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// call runs the command in this process.
func call(t *testing.T, env map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := app{stdout: &out, stderr: &errs, env: func(name string) (string, bool) { value, ok := env[name]; return value, ok }}
	status = a.process(context.Background(), args)
	return status, out.String(), errs.String()
}

func TestWrongUsage(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(notPEM, []byte("none"), 0o600))
	const endpoint = "abc.dsql.eu-west-1.on.aws"
	for _, c := range []struct {
		want string
		args []string
	}{
		{"usage:", nil},
		{`found "make"`, []string{"make"}},
		{"-nope", []string{"setup", "--nope"}},
		{`found "now"`, []string{"setup", "now"}},
		{"DSQL_ENDPOINT", []string{"setup"}},
		{"DSQL_ENDPOINT", []string{"status"}},
		{"found both", []string{"status", "--endpoint", endpoint, "--plain-dsn", "postgres://x@y/z"}},
		{"--plain-dsn", []string{"status", "--plain-dsn", "nonsense"}},
		{"--port", []string{"status", "--endpoint", endpoint, "--port", "0"}},
		{"AWS_REGION", []string{"status", "--endpoint", "db.example.org"}},
		{"DSQL_TLS_CA_FILE", []string{"status", "--endpoint", endpoint, "--ca-file", "/nowhere"}},
		{"PEM", []string{"status", "--endpoint", endpoint, "--ca-file", notPEM}},
		{"--fence", []string{"verify-fence", "--fence", "share"}},
		{"--dry-run only", []string{"update", "--from", "1.18"}},
		{"--from", []string{"update", "--dry-run", "--from", "x"}},
		{"arn:aws:sts", []string{"roles", "--dry-run", "--server-arn", "arn:aws:sts::123456789012:assumed-role/a/b"}},
		{"found ', ''", []string{"roles", "--dry-run", "--server-arn", "'", "--operator-arn", "''"}},
	} {
		status, stdout, stderr := call(t, nil, c.args...)
		require.Equal(t, exitUsage, status, c.args)
		require.Contains(t, stderr, c.want)
		require.Empty(t, stdout)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"setup", "--help"}, {"verify-fence", "-h"}} {
		status, stdout, stderr := call(t, nil, args...)
		require.Equal(t, exitDone, status)
		require.Contains(t, stdout, "usage: auroral-schema")
		require.Empty(t, stderr)
	}
}

func TestDryRunsNeedNoDatabase(t *testing.T) {
	status, stdout, _ := call(t, nil, "setup", "--dry-run")
	require.Equal(t, exitDone, status)
	golden, err := os.ReadFile("../../internal/schema/testdata/temporal-1.19.sql")
	require.NoError(t, err)
	require.Equal(t, string(golden), stdout)

	_, stdout, _ = call(t, nil, "setup", "--dry-run", "--plain-dsn", "postgres://nowhere/x")
	require.NotContains(t, stdout, "ASYNC")

	status, stdout, _ = call(t, nil, "update", "--dry-run", "--from", "1.18")
	require.Equal(t, exitDone, status)
	require.Contains(t, stdout, "CREATE TABLE current_chasm_executions")
	require.NotContains(t, stdout, "CREATE TABLE executions")

	status, _, stderr := call(t, nil, "update", "--dry-run", "--from", "1.15")
	require.Equal(t, exitCheck, status)
	require.Contains(t, stderr, "updates begin at 1.16")

	status, stdout, _ = call(t, nil, "roles", "--dry-run", "--server-arn", "arn:aws:iam::123456789012:role/a", "--server-arn", "arn:aws-cn:iam::123456789012:role/p/b")
	require.Equal(t, exitDone, status)
	require.Equal(t, `CREATE ROLE temporal_server WITH LOGIN;
AWS IAM GRANT temporal_server TO 'arn:aws:iam::123456789012:role/a';
AWS IAM GRANT temporal_server TO 'arn:aws-cn:iam::123456789012:role/p/b';
GRANT USAGE ON SCHEMA public TO temporal_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO temporal_server;
CREATE ROLE temporal_operator WITH LOGIN;
GRANT USAGE ON SCHEMA public TO temporal_operator;
GRANT SELECT ON cluster_membership TO temporal_operator;
GRANT SELECT ON cluster_metadata_info TO temporal_operator;
GRANT SELECT ON schema_version TO temporal_operator;
GRANT SELECT ON schema_update_history TO temporal_operator;
GRANT SELECT ON auroral_schema_journal TO temporal_operator;
GRANT DELETE ON cluster_membership TO temporal_operator;
CREATE SCHEMA IF NOT EXISTS auroral_probe;
GRANT USAGE, CREATE ON SCHEMA auroral_probe TO temporal_operator;
`, stdout)
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	status, stdout, stderr := call(t, map[string]string{"DSQL_ENDPOINT": "ignored.example.org"}, "status", "--plain-dsn", "postgres://postgres@"+address+"/x")
	require.Equal(t, exitUnreachable, status)
	require.Contains(t, stderr, "cannot connect to "+address)
	require.Empty(t, stdout)
}

// TestMarked compares the two streams of a command with those of the same one whose lines are marked.
func TestMarked(t *testing.T) {
	for _, args := range [][]string{
		{"setup", "--dry-run"},
		{"update", "--dry-run", "--from", "1.15"},
		{"roles", "--help"},
		{"status"},
		{"make"},
		nil,
	} {
		status, stdout, stderr := call(t, map[string]string{"AURORAL_OUTPUT": "plain"}, args...)
		marked, log, none := call(t, map[string]string{"AURORAL_OUTPUT": "marked"}, args...)
		require.Equal(t, status, marked, args)
		require.Empty(t, none)
		streams := map[string]string{}
		lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
		for _, line := range lines[:len(lines)-1] {
			streams[line[:3]] += line[3:] + "\n"
		}
		require.Equal(t, stdout, streams["@1>"], args)
		require.Equal(t, stderr, streams["@2>"], args)
		require.Equal(t, fmt.Sprintf("@.%d", status), lines[len(lines)-1], args)
		require.Equal(t, stdout+stderr != "", len(streams) > 0)
	}
}

func TestMarkedToTheEndWhenInterrupted(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		if taken, err := listener.Accept(); err == nil {
			cancel()
			_ = taken.Close()
		}
	}()
	defer cancel()
	var out, errs bytes.Buffer
	env := map[string]string{"AURORAL_OUTPUT": "marked"}
	a := app{stdout: &out, stderr: &errs, env: func(name string) (string, bool) { value, ok := env[name]; return value, ok }}
	require.Equal(t, exitInterrupted, a.process(ctx, []string{"setup", "--plain-dsn", "postgres://x@" + listener.Addr().String() + "/y?sslmode=disable"}))
	require.Regexp(t, `(?s)^@2>auroral-schema: cannot connect to .*\n@2>interrupted; the same command goes on where this one stopped\n@\.4\n$`, out.String())
	require.Empty(t, errs.String())
}
