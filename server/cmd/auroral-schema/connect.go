package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.temporal.io/server/common/log"

	"auroral/server/internal/connect"
	"auroral/server/internal/schema"
	"auroral/server/internal/session"
	"auroral/server/internal/settings"
)

const (
	application = "auroral-schema"
	adminUser   = "admin"
	// DSQL ends a session after 60 minutes (user guide, "Connections").
	sessionLifetime = 50 * time.Minute
	// One for the statements, one to spare while a lost one is replaced.
	connections = 2
)

// targetFlags are the flags that say where the database is, each over its variable. DSQL_USER is not among them: it is the server's role, and a
// schema is made by admin.
var targetFlags = []struct{ flag, variable, fallback, about string }{
	{"endpoint", "DSQL_ENDPOINT", "", "host name of the cluster, <id>.dsql.<region>.on.aws"},
	{"port", "DSQL_PORT", "5432", "port of the cluster"},
	{"database", "DSQL_DATABASE", "postgres", "database"},
	{"region", "AWS_REGION", "", "region that tokens are signed for, where the endpoint names none"},
	{"ca-file", "DSQL_TLS_CA_FILE", "", "certificate authorities to trust instead of the system's, PEM"},
	{"host-address", "DSQL_HOST_ADDRESS", "", "address to dial instead of the endpoint, which TLS and tokens still name"},
}

// target is a database as the command line and the environment name it.
type target struct {
	flags    commandFlags
	env      func(string) (string, bool)
	over     map[string]*string // variable → flag
	plainDSN *string
}

// connection is an open database and the dialect it speaks.
type connection struct {
	db      *sql.DB
	dialect schema.Dialect
	open    func(context.Context) (*sql.DB, error) // another one
}

func (c *connection) close() { _ = c.db.Close() }

// addTarget adds the flags.
func (a app) addTarget(set commandFlags) target {
	t := target{flags: set, env: a.env, over: map[string]*string{}}
	for _, f := range targetFlags {
		value := f.fallback
		if given, ok := a.env(f.variable); ok && given != "" {
			value = given
		}
		t.over[f.variable] = set.String(f.flag, value, f.about+" ("+f.variable+")")
	}
	t.over["DSQL_USER"] = set.String("user", adminUser, "database role to enter as")
	t.plainDSN = set.String("plain-dsn", "", "postgres://… of a PostgreSQL for tests and control runs, without DSQL's own syntax")
	return t
}

func (t target) dialect() schema.Dialect {
	if *t.plainDSN != "" {
		return schema.Postgres
	}
	return schema.DSQL
}

// settings reads where the database is as the server does, with the flags over it, and nothing of the server's pool and limiters: those spread the
// connections of a fleet, and this is one process with one or two.
func (t target) settings() (settings.Settings, error) {
	loaded, err := settings.Load(func(variable string) (string, bool) {
		if value, ok := t.over[variable]; ok {
			return *value, *value != ""
		}
		switch variable {
		case "DSQL_STAGGERED_STARTUP":
			return "false", true
		case "DSQL_CONNECT_TIMEOUT":
			return t.env(variable)
		}
		return "", false
	})
	var problems *settings.ProblemsError
	if errors.As(err, &problems) {
		text := ""
		for _, p := range problems.Problems {
			text += "\n  " + p.String()
			for _, f := range targetFlags {
				if f.variable == p.Variable {
					text += " (--" + f.flag + ")"
				}
			}
		}
		return loaded, usageError{"the database is not named:" + text}
	}
	return loaded, err
}

// connect opens the database and asks it one thing.
func (t target) connect(ctx context.Context) (*connection, error) {
	connector, where, err := t.connector(ctx)
	if err != nil {
		return nil, err
	}
	open := func(ctx context.Context) (*sql.DB, error) {
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(connections)
		db.SetConnMaxLifetime(sessionLifetime)
		if err := db.PingContext(ctx); err != nil {
			_ = db.Close()
			return nil, unreachableError{where, explain(err)}
		}
		return db, nil
	}
	db, err := open(ctx)
	if err != nil {
		return nil, err
	}
	return &connection{db, t.dialect(), open}, nil
}

func (t target) connector(ctx context.Context) (c driver.Connector, where string, err error) {
	if *t.plainDSN != "" {
		return t.plain()
	}
	s, err := t.settings()
	if err != nil {
		return nil, "", err
	}
	found, err := connect.LoadAWS(ctx, s)
	if err != nil {
		return nil, "", usageError{err.Error()}
	}
	dialer, err := connect.DialerOf(s, found, connect.GateOf(s, found, nil, log.NewNoopLogger()), application, nil)
	if err != nil {
		return nil, "", usageError{err.Error()}
	}
	return opened{dialer}, s.Endpoint, nil
}

// plain is PostgreSQL with DSQL's isolation.
func (t target) plain() (c driver.Connector, where string, err error) {
	if t.flags.given("endpoint") {
		return nil, "", usageError{"expected --endpoint or --plain-dsn, found both"}
	}
	config, err := pgx.ParseConfig(*t.plainDSN)
	if err != nil {
		return nil, "", usageError{fmt.Sprintf("--plain-dsn: expected postgres://user@host:port/database: %v", err)}
	}
	config.RuntimeParams["application_name"] = application
	config.RuntimeParams["default_transaction_isolation"] = "repeatable read"
	return stdlib.GetConnector(*config), net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), nil
}

// opened has database/sql open its connections with the server's own dialer.
type opened struct{ session.Opener }

func (o opened) Connect(ctx context.Context) (driver.Conn, error) { return o.Open(ctx) }
func (o opened) Driver() driver.Driver                            { return stdlib.GetDefaultDriver() }

// explain says what to do about an opening that DSQL refused.
func explain(err error) error {
	var refused *session.RefusedError
	if !errors.As(err, &refused) {
		return err
	}
	switch {
	// DSQL's own words for an unmapped or unknown principal come as 08006, which says nothing of access.
	case refused.Reason == session.Denied, strings.Contains(err.Error(), "access denied"):
		return fmt.Errorf("%w; the principal needs dsql:DbConnectAdmin for admin, else dsql:DbConnect and a mapping (auroral-schema roles)", err)
	case refused.Reason == session.TooMany, refused.Reason == session.TooFast:
		return fmt.Errorf("%w; the cluster has too many connections or opens them too fast, try again", err)
	}
	return err
}
