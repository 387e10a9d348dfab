package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"auroral/server/internal/session"
)

// reasonOf says why a dial failed. The SQLSTATEs of DSQL's refusals are from its quotas page; a token that it does not take is recorded as 08006
// "unable to accept connection, access denied", not as PostgreSQL's class 28.
func reasonOf(err error) session.Reason {
	if refusal := (*pgconn.PgError)(nil); errors.As(err, &refusal) {
		switch {
		case refusal.Code == "53400":
			return session.TooFast
		case refusal.Code == "53300":
			return session.TooMany
		case strings.HasPrefix(refusal.Code, "28"), strings.Contains(refusal.Message, "access denied"):
			return session.Denied
		case strings.HasPrefix(refusal.Code, "08"):
			return session.Network
		default:
			return session.Other
		}
	}
	var (
		timeout  interface{ Timeout() bool }
		dns      *net.DNSError
		network  *net.OpError
		errno    syscall.Errno
		unsigned *unsignedError
	)
	switch {
	case errors.As(err, &unsigned):
		return session.Denied
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err), errors.As(err, &timeout) && timeout.Timeout():
		return session.TimedOut
	case errors.As(err, &dns), errors.As(err, &network), errors.As(err, &errno), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return session.Network
	default:
		return session.Other
	}
}

// unsignedError is an opening without a token.
type unsignedError struct{ err error }

func (e *unsignedError) Error() string { return e.err.Error() }
func (e *unsignedError) Unwrap() error { return e.err }

// withoutSecret is an error that neither holds nor tells a token. pgx's own error for a failed dial refers to its configuration, in which
// the token is the password, and a server could send back what it was sent.
func withoutSecret(err error, secret string) error {
	if dial := (*pgconn.ConnectError)(nil); errors.As(err, &dial) {
		err = errors.Unwrap(dial)
	}
	if refusal := (*pgconn.PgError)(nil); errors.As(err, &refusal) && refusal.Hint != "" {
		err = fmt.Errorf("%w: %s", err, refusal.Hint) // DSQL says there what is wrong with a token; pgx leaves it out
	}
	if secret != "" && strings.Contains(err.Error(), secret) {
		return &hiddenError{text: strings.ReplaceAll(err.Error(), secret, "[token]"), reason: reasonOf(err)}
	}
	return err
}

// hiddenError stands for an error that told the token.
type hiddenError struct {
	text   string
	reason session.Reason
}

func (e *hiddenError) Error() string { return e.text }
