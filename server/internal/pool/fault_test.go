package pool

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"auroral/server/internal/session"
)

// safe is an error of pgconn from before anything was sent.
type safe struct{ error }

func (safe) SafeToRetry() bool { return true }

func TestWhatAnErrorMeans(t *testing.T) {
	pg := func(severity, code string) error { return &pgconn.PgError{Severity: severity, Code: code} }
	lost := fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name  string
		ctx   context.Context //nolint:containedctx // a case
		err   error
		state session.State
		want  fault
	}{
		{"a refused statement", t.Context(), pg("ERROR", "23505"), session.Ready, fault{}},
		{"one in a transaction", t.Context(), pg("ERROR", "23505"), session.InTransaction, fault{}},
		{"one on a silent connection", t.Context(), pg("ERROR", "23505"), session.Unknown, fault{}},
		{"a conflict", t.Context(), pg("ERROR", "40001"), session.Ready, fault{}},
		{"a shutdown", t.Context(), pg("FATAL", "57P01"), session.Ready, fault{broken: true}},
		{"a shutdown without severity", t.Context(), pg("", "57P01"), session.Ready, fault{broken: true}},
		{"a crash", t.Context(), pg("ERROR", "57P02"), session.Ready, fault{broken: true}},
		{"an idle time-out", t.Context(), pg("ERROR", "57P05"), session.Ready, fault{broken: true}},
		{"a connection failure", t.Context(), pg("ERROR", "08006"), session.Ready, fault{broken: true}},
		{"an answer before the end", t.Context(), pg("ERROR", "40001"), session.Closed, fault{broken: true}},
		{"an encoding error", t.Context(), errors.New("cannot encode"), session.Ready, fault{}},
		{"an encoding error on a silent connection", t.Context(), errors.New("cannot encode"), session.Unknown, fault{broken: true}},
		{"a network error", t.Context(), lost, session.Closed, fault{broken: true}},
		{"a network error on a silent connection", t.Context(), lost, session.Unknown, fault{broken: true}},
		{"one before anything was sent", t.Context(), safe{lost}, session.Closed, fault{broken: true, unsent: true}},
		{"a driver that found its connection closed", t.Context(), driver.ErrBadConn, session.Closed, fault{broken: true, unsent: true}},
		{"a driver that says so of an open one", t.Context(), driver.ErrBadConn, session.Ready, fault{broken: true, unsent: true}},
		{"the same, as the context had ended", over, driver.ErrBadConn, session.Ready, fault{unsent: true}},
	} {
		if got := judge(c.ctx, c.err, c.state); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestWhatCallersAreTold(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	refused := &pgconn.PgError{Code: "23505"}
	encode := errors.New("cannot encode")
	for _, err := range []error{refused, encode} {
		if told := tell(t.Context(), err, false); told != err { //nolint:errorlint // unchanged
			t.Errorf("%v is told as %v", err, told)
		}
	}
	if told := tell(over, refused, false); told != refused { //nolint:errorlint // unchanged
		t.Errorf("an answer is told as %v, since the context ended after it", told)
	}
	for _, err := range []error{
		driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.EPIPE,
		fmt.Errorf("write: %w", syscall.ECONNRESET),
	} {
		for _, broken := range []bool{false, true} {
			told := tell(t.Context(), err, broken)
			if _, ok := told.(*session.LostError); !ok || errors.Is(told, err) { //nolint:errorlint // nothing may be around it
				t.Errorf("%v is told as %T %v", err, told, told)
			}
		}
		if told := tell(over, errors.Join(context.Canceled, err), true); !errors.Is(told, context.Canceled) || closesTemporalsPool(told) {
			t.Errorf("%v after the end of the context is told as %v", err, told)
		}
	}
}
