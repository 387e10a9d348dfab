package pool

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"auroral/server/internal/session"
)

// fault is what an error of a connection means.
type fault struct {
	broken bool // the connection is of no more use
	unsent bool // nothing was sent: the same may be asked of another connection
}

// judge says what an error means, given what the connection says of itself afterwards, and the caller's context.
func judge(ctx context.Context, err error, state session.State) fault {
	var told *pgconn.PgError
	if errors.As(err, &told) {
		return fault{broken: state == session.Closed || endsSession(told)}
	}
	unsent := errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err)
	switch state {
	case session.Ready, session.InTransaction:
		// pgx's driver also says ErrBadConn when the context had ended before anything was sent: nothing is wrong then.
		return fault{broken: errors.Is(err, driver.ErrBadConn) && ctx.Err() == nil, unsent: unsent}
	default: // a connection that does not say how it is, and gave no answer of DSQL, is not trusted again
		return fault{broken: true, unsent: unsent}
	}
}

// endsSession is whether the server closes the connection after this error. Class 08 are connection failures, 57P01 and
// 57P02 shutdowns, 57P05 an idle session's time-out; https://www.postgresql.org/docs/16/errcodes-appendix.html
func endsSession(err *pgconn.PgError) bool {
	severity := err.SeverityUnlocalized
	if severity == "" {
		severity = err.Severity
	}
	switch {
	case severity == "FATAL", severity == "PANIC", strings.HasPrefix(err.Code, "08"):
		return true
	default:
		return err.Code == "57P01" || err.Code == "57P02" || err.Code == "57P05"
	}
}

// tell gives the error that callers see. For some errors database/sql would run the statement again, which may have run, and
// Temporal would close its whole pool: those, and every loss, become a LostError. The end of the caller's own context stays what it is.
func tell(ctx context.Context, err error, broken bool) error {
	var pg *pgconn.PgError
	if ended := ctx.Err(); ended != nil && !errors.As(err, &pg) {
		if errors.Is(err, ended) && !closesTemporalsPool(err) {
			return err
		}
		return ended
	}
	if broken || closesTemporalsPool(err) {
		return &session.LostError{Text: err.Error()}
	}
	return err
}

// closesTemporalsPool mirrors sqlplugin.DatabaseHandle.ConvertError and what database/sql retries.
func closesTemporalsPool(err error) bool {
	for _, bare := range []error{
		driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.EPIPE,
	} {
		if errors.Is(err, bare) {
			return true
		}
	}
	return false
}
