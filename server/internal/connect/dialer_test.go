package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"go.temporal.io/server/common/log"

	"auroral/server/internal/session"
)

// dialerTo makes a dialer to a test's server, which believes to be the cluster.
func dialerTo(t *testing.T, s *server, observer Observer, change func(*Options)) *Dialer {
	t.Helper()
	options := Options{
		Endpoint: testEndpoint, Port: s.port, HostAddress: "127.0.0.1", Database: "postgres", User: "temporal_server", Region: "eu-west-1", CAFile: s.caFile,
		Application: "auroral-server history", ConnectTimeout: 5 * time.Second, Credentials: credentialsUntil(0), Observer: observer,
		Gate: NewGate(GateOptions{RatePerS: 1000, Burst: 100}),
	}
	if change != nil {
		change(&options)
	}
	d, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// refusal opens a connection that must fail.
func refusal(t *testing.T, d *Dialer) *session.RefusedError {
	t.Helper()
	conn, err := d.Open(t.Context())
	if err == nil {
		_ = conn.Close()
		t.Fatal("it opened")
	}
	refused := (*session.RefusedError)(nil)
	if !errors.As(err, &refused) {
		t.Fatalf("%T: %v", err, err)
	}
	return refused
}

func TestAConnectionIsForTheEndpointWhereverItIsDialled(t *testing.T) {
	for name, value := range map[string]string{ // what libpq would read says nothing here
		"PGHOST": "elsewhere.example", "PGUSER": "somebody", "PGPASSWORD": "p", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere", "PGSSLCERT": "/nowhere", "PGSSLKEY": "/nowhere", "PGAPPNAME": "x",
		"PGDATABASE": "y", "PGTARGETSESSIONATTRS": "primary", "PGOPTIONS": "-c geqo=off",
	} {
		t.Setenv(name, value)
	}
	s := serve(t, testEndpoint, welcome)
	observer := &heard{}
	conn, err := dialerTo(t, s, observer, nil).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if session.StateOf(conn) != session.Ready {
		t.Error("it is not ready")
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	startup := map[string]string{"user": "temporal_server", "database": "postgres", "application_name": "auroral-server history"}
	if !slices.Equal(s.names, []string{testEndpoint}) || fmt.Sprint(s.startups[0]) != fmt.Sprint(startup) ||
		!strings.HasPrefix(s.passwords[0], testEndpoint+"?Action=DbConnect&") {
		t.Errorf("names %v, started with %v, password %s", s.names, s.startups, s.passwords)
	}
	if !slices.Equal(observer.done, []session.Reason{Opened}) || len(observer.signed) != 1 || observer.signed[0] != nil {
		t.Errorf("told %+v", observer)
	}
}

func TestTheServerMustProveItsName(t *testing.T) {
	wrong := serve(t, "another.dsql.eu-west-1.on.aws", welcome)
	if err := refusal(t, dialerTo(t, wrong, nil, nil)); !strings.Contains(err.Error(), "certificate is valid for another") {
		t.Error(err)
	}
	untrusted := serve(t, testEndpoint, welcome)
	if err := refusal(t, dialerTo(t, untrusted, nil, func(o *Options) { o.CAFile = "" })); !strings.Contains(err.Error(), "unknown authority") {
		t.Error(err)
	}
	for _, s := range []*server{wrong, untrusted} {
		s.mu.Lock()
		if len(s.passwords) > 0 {
			t.Error("a token was sent to a server that has not proved its name")
		}
		s.mu.Unlock()
	}
}

func TestEachRefusalHasItsReason(t *testing.T) {
	for code, want := range map[string]session.Reason{
		"53400": session.TooFast, "53300": session.TooMany, "28000": session.Denied, "28P01": session.Denied, "3D000": session.Other, "XX000": session.Other,
	} {
		s := serve(t, testEndpoint, refuse(code, "no"))
		observer := &heard{}
		err := refusal(t, dialerTo(t, s, observer, nil))
		if err.Reason != want || !slices.Equal(observer.done, []session.Reason{want}) {
			t.Errorf("%s: %v, told %v, want %s", code, err, observer.done, want)
		}
		if cause := (*pgconn.PgError)(nil); !errors.As(err, &cause) || cause.Code != code {
			t.Errorf("%s: the cause is lost in %v", code, err)
		}
	}
	s := serve(t, testEndpoint, func(*pgproto3.Backend, string) {}) // says nothing
	if err := refusal(t, dialerTo(t, s, nil, func(o *Options) { o.ConnectTimeout = 100 * time.Millisecond })); err.Reason != session.TimedOut {
		t.Error(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := &server{port: listener.Addr().(*net.TCPAddr).Port}
	_ = listener.Close()
	if err := refusal(t, dialerTo(t, closed, nil, nil)); err.Reason != session.Network {
		t.Error(err)
	}
	observer := &heard{}
	if err := refusal(t, dialerTo(t, s, observer, func(o *Options) { o.Credentials = credentialsUntil(-time.Minute) })); err.Reason != session.Denied {
		t.Error(err)
	}
	if len(observer.signed) != 1 || observer.signed[0] == nil {
		t.Errorf("told of %v", observer.signed)
	}
}

func TestACallerWhoLeavesIsNoRefusal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, testEndpoint, func(*pgproto3.Backend, string) { cancel() }) // in the midst of the dial
	observer := &heard{}
	d := dialerTo(t, s, observer, nil)
	if _, err := d.Open(ctx); !errors.Is(err, context.Canceled) || len(observer.done) != 0 {
		t.Errorf("%v, told %v", err, observer.done)
	}
	if _, err := d.Open(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "while waiting for a limiter") {
		t.Error(err)
	}
}

// One opening is one connection, also where the name has many addresses and the first refuses.
func TestOneOpeningIsOneConnection(t *testing.T) {
	s := serve(t, testEndpoint, refuse("53400", "too fast"))
	d := dialerTo(t, s, nil, nil)
	several := func(context.Context, string) ([]string, error) { return []string{s.address, s.address, s.address}, nil }
	d.config.LookupFunc = oneAddress(several, half)
	refusal(t, d)
	s.mu.Lock()
	if s.accepted != 1 {
		t.Errorf("%d connections", s.accepted)
	}
	s.mu.Unlock()
	d.config.LookupFunc = several // the control: pgx alone dials them all
	refusal(t, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accepted != 1+3 {
		t.Errorf("pgx dials %d times: one address is not needed any more", s.accepted-1)
	}
}

func TestAddressesOfTheReachableFamilyTakeTurns(t *testing.T) {
	for _, c := range []struct {
		found []string
		u     float64
		want  string
	}{
		{[]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, 0, "10.0.0.1"},
		{[]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, 0.34, "10.0.0.2"},
		{[]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, 0.999999, "10.0.0.3"},
		{[]string{"10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"}, 0.999999, "10.0.0.2"},
		{[]string{"2001:db8::1", "2001:db8::2", "10.0.0.1"}, 0.999999, "2001:db8::2"},
		{[]string{"10.0.0.1"}, 0.5, "10.0.0.1"},
	} {
		lookup := func(context.Context, string) ([]string, error) { return c.found, nil }
		if got, err := oneAddress(lookup, func() float64 { return c.u })(t.Context(), "x"); err != nil || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%v at %v: %v, %v", c.found, c.u, got, err)
		}
	}
}

// DSQL refuses a token with a code of its own and says why in the hint.
func TestWhatDSQLSaysOfATokenIsTold(t *testing.T) {
	for message, want := range map[string]session.Reason{
		"unable to accept connection, access denied": session.Denied, "unable to accept connection, sni was not received": session.Network,
	} {
		s := serve(t, testEndpoint, func(backend *pgproto3.Backend, _ string) {
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08006", Message: message, Hint: "Signature expired."})
		})
		if err := refusal(t, dialerTo(t, s, nil, nil)); err.Reason != want || !strings.HasSuffix(err.Error(), message+" (SQLSTATE 08006): Signature expired.") {
			t.Errorf("%s: %v", message, err)
		}
	}
}

func TestADeniedTokenIsSignedAnew(t *testing.T) {
	s := serve(t, testEndpoint, refuse("28P01", "access denied"))
	observer := &heard{}
	d := dialerTo(t, s, observer, nil)
	refusal(t, d)
	if _, known := d.TokenAge(); known {
		t.Error("the refused token is kept")
	}
	refusal(t, d)
	observer.mu.Lock()
	defer observer.mu.Unlock()
	if len(observer.signed) != 2 {
		t.Errorf("%d tokens signed", len(observer.signed))
	}
}

// No error and no log line tells a token, not even where the server sends it back.
func TestNoTokenInErrorsAndLogs(t *testing.T) {
	for about, greet := range map[string]func(*pgproto3.Backend, string){
		"refused": refuse("28000", "access denied"),
		"echoed": func(backend *pgproto3.Backend, password string) {
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28000", Message: "bad password " + password, Detail: password, Hint: password})
		},
		"cut": func(backend *pgproto3.Backend, _ string) { backend.Send(&pgproto3.ErrorResponse{}) },
	} {
		s := serve(t, testEndpoint, greet)
		err := refusal(t, dialerTo(t, s, nil, nil))
		s.mu.Lock()
		token := s.passwords[0]
		s.mu.Unlock()
		_, signature, found := strings.Cut(token, "X-Amz-Signature=")
		if !found {
			t.Fatalf("no signature in %s", token)
		}
		var all bytes.Buffer
		for deep := error(err); deep != nil; deep = errors.Unwrap(deep) {
			if dial := (*pgconn.ConnectError)(nil); errors.As(deep, &dial) {
				t.Errorf("%s: the error refers to pgx's configuration, which holds the token", about)
			}
			encoded, _ := json.Marshal(deep)
			fmt.Fprintf(&all, "%v\n%+v\n%#v\n%s\n%s\n", deep, deep, deep, deep, encoded)
		}
		if strings.Contains(all.String(), signature) {
			t.Errorf("%s: the token is in %s", about, &all)
		}
		if about == "echoed" && (err.Reason != session.Denied || !strings.Contains(err.Error(), "bad password [token]")) {
			t.Errorf("%s: %v", about, err)
		}
	}
}

func TestAuthoritiesMustBeUsable(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"/does/not/exist": "no such file", empty: "holds no certificate"} {
		_, err := New(Options{Endpoint: testEndpoint, Port: 1, CAFile: file, Gate: NewGate(GateOptions{RatePerS: 1, Burst: 1, Logger: log.NewNoopLogger()})})
		if err == nil || !strings.Contains(err.Error(), "DSQL_TLS_CA_FILE: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := New(Options{Endpoint: testEndpoint, Port: 1}); err == nil {
		t.Error("a dialer without a gate")
	}
}
