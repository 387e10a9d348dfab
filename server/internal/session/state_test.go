package session

import "testing"

type told struct {
	Conn
	state State
}

func (c told) SessionState() State { return c.state }

type around struct {
	Conn
	inner Conn
}

func (c around) Unwrap() Conn { return c.inner }

type silent struct{ Conn }

func TestStateIsThatOfTheInnermostConnection(t *testing.T) {
	for _, want := range []State{Ready, InTransaction, Closed} {
		if got := StateOf(around{inner: around{inner: told{state: want}}}); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}

func TestStateIsUnknownWhereNobodyTells(t *testing.T) {
	for _, c := range []Conn{nil, silent{}, around{inner: silent{}}, around{}} {
		if got := StateOf(c); got != Unknown {
			t.Errorf("%T: got %d, want unknown", c, got)
		}
	}
}
