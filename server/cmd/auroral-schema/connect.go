package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/dsql/auth"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"auroral/server/internal/schema"
)

const (
	connectTimeout = 10 * time.Second
	// DSQL ends a session after 60 minutes (user guide, "Connections").
	sessionLifetime = 50 * time.Minute
	adminUser       = "admin"
)

// target is a database as the command line and the environment name it.
type target struct {
	flags                                                                 commandFlags
	endpoint, port, user, database, region, caFile, hostAddress, plainDSN *string
}

// connection is an open database and the dialect it speaks.
type connection struct {
	db      *sql.DB
	dialect schema.Dialect
	open    func(context.Context) (*sql.DB, error) // another one
}

func (c *connection) close() { _ = c.db.Close() }

// addTarget adds the flags. DSQL_USER is not read: it is the server's role, and a schema is made by admin.
func (a app) addTarget(set commandFlags) target {
	text := func(name, variable, fallback, about string) *string {
		value := fallback
		if variable != "" {
			about += " (" + variable + ")"
			if given, ok := a.env(variable); ok && given != "" {
				value = given
			}
		}
		return set.String(name, value, about)
	}
	return target{
		flags:       set,
		endpoint:    text("endpoint", "DSQL_ENDPOINT", "", "host name of the cluster, <id>.dsql.<region>.on.aws"),
		port:        text("port", "DSQL_PORT", "5432", "port of the cluster"),
		user:        text("user", "", adminUser, "database role to enter as"),
		database:    text("database", "DSQL_DATABASE", "postgres", "database"),
		region:      text("region", "AWS_REGION", "", "region that tokens are signed for; else that of the endpoint"),
		caFile:      text("ca-file", "DSQL_TLS_CA_FILE", "", "certificate authorities to trust instead of the system's, PEM"),
		hostAddress: text("host-address", "DSQL_HOST_ADDRESS", "", "address to dial instead of the endpoint, which TLS and tokens still name"),
		plainDSN:    text("plain-dsn", "", "", "postgres://… of a PostgreSQL for tests and control runs, without DSQL's own syntax"),
	}
}

func (t target) dialect() schema.Dialect {
	if *t.plainDSN != "" {
		return schema.Postgres
	}
	return schema.DSQL
}

// connect opens the database and asks it one thing.
func (t target) connect(ctx context.Context) (*connection, error) {
	open, where, err := t.opener()
	if err != nil {
		return nil, err
	}
	db, err := open(ctx)
	if err != nil {
		return nil, unreachableError{where, err}
	}
	return &connection{db, t.dialect(), open}, nil
}

func (t target) opener() (open func(context.Context) (*sql.DB, error), where string, err error) {
	var connector driver.Connector
	if *t.plainDSN != "" {
		if t.flags.given("endpoint") {
			return nil, "", usageError{"expected --endpoint or --plain-dsn, found both"}
		}
		plain, err := pgx.ParseConfig(*t.plainDSN)
		if err != nil {
			return nil, "", usageError{fmt.Sprintf("--plain-dsn: expected postgres://user@host:port/database: %v", err)}
		}
		plain.ConnectTimeout = connectTimeout
		connector, where = stdlib.GetConnector(*plain), net.JoinHostPort(plain.Host, strconv.Itoa(int(plain.Port)))
	} else {
		dsql, options, err := t.dsqlConfig()
		if err != nil {
			return nil, "", err
		}
		connector, where = stdlib.GetConnector(*dsql, options...), *t.endpoint
	}
	return func(ctx context.Context) (*sql.DB, error) {
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(2)
		db.SetConnMaxLifetime(sessionLifetime)
		if err := db.PingContext(ctx); err != nil {
			_ = db.Close()
			return nil, explain(err)
		}
		return db, nil
	}, where, nil
}

var endpointRegion = regexp.MustCompile(`^[^.]+\.dsql[^.]*\.([a-z0-9-]+)\.on\.aws$`)

func (t target) dsqlConfig() (*pgx.ConnConfig, []stdlib.OptionOpenDB, error) {
	if *t.endpoint == "" {
		return nil, nil, usageError{"expected --endpoint or DSQL_ENDPOINT, the host name of the cluster, found neither"}
	}
	port, err := strconv.ParseUint(*t.port, 10, 16)
	if err != nil || port == 0 {
		return nil, nil, usageError{fmt.Sprintf("--port: expected a number between 1 and 65535, found %q", *t.port)}
	}
	region := *t.region
	if match := endpointRegion.FindStringSubmatch(*t.endpoint); region == "" && match != nil {
		region = match[1]
	}
	if region == "" {
		return nil, nil, usageError{fmt.Sprintf("expected --region or AWS_REGION, since endpoint %q names none", *t.endpoint)}
	}
	trust := &tls.Config{ServerName: *t.endpoint, MinVersion: tls.VersionTLS12}
	if *t.caFile != "" {
		pem, err := os.ReadFile(*t.caFile)
		if err != nil {
			return nil, nil, usageError{fmt.Sprintf("--ca-file: %v", err)}
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nil, usageError{fmt.Sprintf("--ca-file: expected PEM certificates in %s, found none", *t.caFile)}
		}
	}
	host := *t.hostAddress
	if host == "" {
		host = *t.endpoint
	}
	// Every field is set, so that no PGHOST or PGSSLMODE of the environment has a say.
	c, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, nil, err
	}
	c.Host, c.Port, c.User, c.Database, c.Password = host, uint16(port), *t.user, *t.database, ""
	c.TLSConfig, c.Fallbacks, c.ConnectTimeout = trust, nil, connectTimeout
	c.RuntimeParams = map[string]string{"application_name": "auroral-schema"}
	user, endpoint := *t.user, *t.endpoint
	return c, []stdlib.OptionOpenDB{stdlib.OptionBeforeConnect(func(ctx context.Context, c *pgx.ConnConfig) error {
		token, err := iamToken(ctx, endpoint, region, user)
		c.Password = token
		return err
	})}, nil
}

// iamToken signs a token with the SDK's credentials; nothing of it appears in an error.
func iamToken(ctx context.Context, endpoint, region, user string) (string, error) {
	aws, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return "", fmt.Errorf("no AWS configuration: %w", err)
	}
	sign := auth.GenerateDbConnectAuthToken
	if user == adminUser {
		sign = auth.GenerateDBConnectAdminAuthToken
	}
	token, err := sign(ctx, endpoint, region, aws.Credentials)
	if err != nil {
		return "", fmt.Errorf("no token: %w; expected AWS credentials in the environment, a profile or a role", err)
	}
	return token, nil
}

// explain says what to do about an opening that DSQL refused.
func explain(err error) error {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.Code[:2] == "28":
		return fmt.Errorf("%w; the principal needs dsql:DbConnectAdmin for admin, else dsql:DbConnect and a mapping (auroral-schema roles)", err)
	case answer.Code == "53300" || answer.Code == "53400":
		return fmt.Errorf("%w; the cluster has too many connections or opens them too fast, try again", err)
	}
	return err
}
