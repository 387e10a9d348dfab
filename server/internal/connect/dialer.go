package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"auroral/server/internal/session"
)

// Options say what a dialer connects to, and as whom.
type Options struct {
	Endpoint       string // TLS and tokens are for it
	Port           int
	HostAddress    string // dialled instead of the endpoint, if set
	Database       string
	User           string
	Admin          bool   // the user is the built-in administrator
	Region         string // that tokens are signed for
	CAFile         string // PEM of the authorities to trust; the system's if empty
	Application    string // told to DSQL as application_name
	ConnectTimeout time.Duration
	Credentials    aws.CredentialsProvider
	Gate           *Gate
	Rand           func() float64 // uniform in [0, 1)
	Observer       Observer
}

// Dialer opens connections. It is a session.Opener, safe for concurrent use.
type Dialer struct {
	config   *pgx.ConnConfig
	gate     *Gate
	tokens   *tokens
	timeout  time.Duration
	observer Observer
}

var _ session.Opener = (*Dialer)(nil)

// New makes a dialer. It fails where the file of authorities cannot be used.
func New(o Options) (*Dialer, error) {
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Gate == nil {
		return nil, errors.New("connect: a dialer needs a gate")
	}
	config, err := configOf(o)
	if err != nil {
		return nil, err
	}
	return &Dialer{
		config:   config,
		gate:     o.Gate,
		tokens:   &tokens{sign: sign(o.Endpoint, o.Region, o.Admin, o.Credentials), observer: o.Observer},
		timeout:  o.ConnectTimeout,
		observer: o.Observer,
	}, nil
}

// configOf is everything of a connection but its password.
func configOf(o Options) (*pgx.ConnConfig, error) {
	roots, err := authorities(o.CAFile)
	if err != nil {
		return nil, err
	}
	host := o.Endpoint
	if o.HostAddress != "" {
		host = o.HostAddress
	}
	// pgx makes configurations only from text, and fills in what that leaves out from PGHOST and its like; so all is said twice.
	text := url.URL{
		Scheme: "postgres", User: url.UserPassword(o.User, "unused"), Host: net.JoinHostPort(host, strconv.Itoa(o.Port)), Path: "/" + o.Database,
		RawQuery: "sslmode=disable&sslrootcert=&sslcert=&sslkey=&target_session_attrs=any",
	}
	config, err := pgx.ParseConfig(text.String())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	config.Host, config.Port, config.User, config.Database, config.Password = host, uint16(o.Port), o.User, o.Database, ""
	config.TLSConfig = &tls.Config{ServerName: o.Endpoint, RootCAs: roots, MinVersion: tls.VersionTLS12}
	config.Fallbacks = nil
	config.ConnectTimeout = o.ConnectTimeout
	config.RuntimeParams = map[string]string{"application_name": o.Application}
	config.LookupFunc = oneAddress(net.DefaultResolver.LookupHost, o.Rand)
	return config, nil
}

func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // the system's
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("DSQL_TLS_CA_FILE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("DSQL_TLS_CA_FILE: %s holds no certificate; expected PEM", file)
	}
	return pool, nil
}

// oneAddress looks a host up and picks one of its addresses. Given several, pgx would dial them in turn, after a refusal too: several
// connections where the limiters let one through. It picks among those of the first one's family: the resolver puts what this machine has no
// route to (IPv6, often) last.
func oneAddress(lookup func(context.Context, string) ([]string, error), random func() float64) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, host string) ([]string, error) {
		found, err := lookup(ctx, host)
		if err != nil || len(found) < 2 {
			return found, err
		}
		first := isIPv6(found[0])
		alike := slices.DeleteFunc(slices.Clone(found), func(address string) bool { return isIPv6(address) != first })
		at := int(random() * float64(len(alike)))
		return alike[at : at+1], nil
	}
}

func isIPv6(address string) bool {
	parsed, err := netip.ParseAddr(address)
	return err == nil && parsed.Unmap().Is6()
}

// Open waits for the limiters and opens one connection. Every error is a *session.RefusedError.
func (d *Dialer) Open(ctx context.Context) (session.Conn, error) {
	if err := d.gate.Pass(ctx); err != nil {
		return nil, &session.RefusedError{Reason: reasonOf(err), Err: fmt.Errorf("while waiting for a limiter: %w", err)}
	}
	started := time.Now()
	conn, err := d.dial(ctx)
	if err == nil {
		d.observer.ConnectDone(time.Since(started), Opened)
		return conn, nil
	}
	reason := reasonOf(err)
	if hidden := (*hiddenError)(nil); errors.As(err, &hidden) {
		reason = hidden.reason
	}
	if ctx.Err() == nil || !errors.Is(ctx.Err(), context.Canceled) { // a caller who went away is no failure
		d.observer.ConnectDone(time.Since(started), reason)
	}
	return nil, &session.RefusedError{Reason: reason, Err: err}
}

func (d *Dialer) dial(ctx context.Context) (session.Conn, error) {
	if d.timeout > 0 {
		within, cancel := context.WithTimeout(ctx, d.timeout)
		defer cancel()
		ctx = within
	}
	password, err := d.tokens.get(ctx)
	if err != nil {
		return nil, &unsignedError{err}
	}
	config := d.config.Copy()
	config.Password = password.secret
	conn, err := stdlib.GetConnector(*config, stdlib.OptionAfterConnect(registerTypes)).Connect(ctx)
	if err != nil {
		if reasonOf(err) == session.Denied {
			d.tokens.forget(password)
		}
		return nil, withoutSecret(err, password.secret)
	}
	opened, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, fmt.Errorf("connect: pgx opened a %T", conn)
	}
	return opened, nil
}

// TokenAge is how old the cached token is; false before the first.
func (d *Dialer) TokenAge() (time.Duration, bool) { return d.tokens.age() }

// registerTypes sends a time.Duration as the bigint of nanoseconds that Temporal's columns are, and not as an interval; Temporal's own
// driver for PostgreSQL does the same.
func registerTypes(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterDefaultPgType(time.Duration(0), "int8")
	conn.TypeMap().RegisterDefaultPgType((*time.Duration)(nil), "int8")
	return nil
}
