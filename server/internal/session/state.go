package session

import "github.com/jackc/pgx/v5"

// State is what a physical connection says of itself.
type State int

// The states of a physical connection.
const (
	Unknown       State = iota // it does not say
	Ready                      // open, outside a transaction
	InTransaction              // open, in a transaction or in a failed one
	Closed
)

// Stater is a connection that knows its state.
type Stater interface{ SessionState() State }

// Wrapper is a connection around another one.
type Wrapper interface{ Unwrap() Conn }

// StateOf asks a connection for its state, and those it wraps when it does not know. It sends nothing.
func StateOf(c Conn) State {
	for c != nil {
		switch told := c.(type) {
		case Stater:
			return told.SessionState()
		case interface{ Conn() *pgx.Conn }:
			return stateOfPgx(told.Conn())
		case Wrapper:
			c = told.Unwrap()
		default:
			return Unknown
		}
	}
	return Unknown
}

func stateOfPgx(c *pgx.Conn) State {
	switch {
	case c.IsClosed():
		return Closed
	case c.PgConn().TxStatus() != 'I':
		return InTransaction
	default:
		return Ready
	}
}
