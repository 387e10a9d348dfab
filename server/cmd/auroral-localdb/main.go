// Command auroral-localdb makes a PostgreSQL database with one of Temporal's stock schemas, for a cluster on this machine.
//
//	auroral-localdb --address 127.0.0.1:5432 --user postgres --database temporal --schema temporal
//
// Exit codes: 0 done, 2 wrong usage, 3 the database cannot be reached or refuses. A database that exists is an error:
// this command is for new clusters, `auroral-schema` for those that last.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	postgresqlschema "go.temporal.io/server/schema/postgresql/v12"
	"go.temporal.io/server/tools/common/schema"
	"go.temporal.io/server/tools/sql"
)

const (
	exitUsage       = 2
	exitUnreachable = 3
)

// versions holds each stock schema's newest version, as Temporal's module states it.
var versions = map[string]string{
	"temporal":   postgresqlschema.Version,
	"visibility": postgresqlschema.VisibilityVersion,
}

type order struct {
	address, user, password, database, schema string
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fail(exitUsage, err)
	}
	if err := create(o, log.NewNoopLogger()); err != nil {
		fail(exitUnreachable, fmt.Errorf("database %s at %s: %w", o.database, o.address, err))
	}
}

func parse(arguments []string) (order, error) {
	o := order{password: os.Getenv("SQL_PASSWORD")}
	flags := flag.NewFlagSet("auroral-localdb", flag.ContinueOnError)
	flags.StringVar(&o.address, "address", "127.0.0.1:5432", "host:port of PostgreSQL")
	flags.StringVar(&o.user, "user", "postgres", "a role that may create databases; its password is read from SQL_PASSWORD")
	flags.StringVar(&o.database, "database", "", "the database to make")
	flags.StringVar(&o.schema, "schema", "", "temporal or visibility")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if _, _, err := net.SplitHostPort(o.address); err != nil {
		return o, fmt.Errorf("expected --address host:port, got %q", o.address)
	}
	if o.database == "" {
		return o, errors.New("expected --database NAME, got none")
	}
	if _, known := versions[o.schema]; !known {
		return o, fmt.Errorf("expected --schema temporal or visibility, got %q", o.schema)
	}
	return o, nil
}

func create(o order, logger log.Logger) error {
	cfg := config.SQL{
		PluginName: postgresql.PluginNamePGX, ConnectAddr: o.address, User: o.user, Password: o.password, DatabaseName: o.database,
	}
	making := cfg // DoCreateDatabase overwrites the name of the database
	if err := sql.DoCreateDatabase(&making, "postgres", logger); err != nil {
		return err
	}
	conn, err := sql.NewConnection(&cfg, logger)
	if err != nil {
		return err
	}
	defer conn.Close()
	setup := schema.SetupConfig{SchemaName: path.Join("postgresql/v12", o.schema), InitialVersion: versions[o.schema]}
	return schema.NewSetupSchemaTask(conn, &setup, logger).Run()
}

func fail(code int, err error) {
	fmt.Fprintf(os.Stderr, "error: %v\n", err)
	os.Exit(code)
}
