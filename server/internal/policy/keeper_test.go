package policy

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is a pool that does what the keeper says while connections expire, break, are lent and fail to open.
type model struct {
	target, reservoir, usual     int
	idle, lent, dueIdle, dueLent int // connections by state; idle and lent are not due
	opening                      int
}

func (m *model) open() int { return m.idle + m.lent + m.dueIdle + m.dueLent }

func (m *model) keep(maxOpening int) KeeperDecision {
	return Keep(KeeperState{
		Target: m.target, Reservoir: m.reservoir, Open: m.open(), Ready: m.idle + m.lent, DueIdle: m.dueIdle,
		Opening: m.opening, MaxOpening: maxOpening,
	})
}

func TestKeeperNeverFallsBelowTargetByItsOwnDoing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			target: rapid.IntRange(1, 60).Draw(t, "target"), reservoir: rapid.IntRange(0, 10).Draw(t, "reservoir"),
			usual: rapid.IntRange(1, 6).Draw(t, "usual"),
		}
		full := m.target + m.reservoir
		apply := func(t *rapid.T, maxOpening int) {
			before := m.open()
			decision := m.keep(maxOpening)
			if decision.Open < 0 || decision.Retire < 0 || decision.Retire > m.dueIdle {
				t.Fatalf("%+v: %+v", m, decision)
			}
			m.opening += decision.Open
			m.dueIdle -= decision.Retire
			if m.open() < min(before, m.target) {
				t.Fatalf("%+v: retired below the target", m)
			}
			if m.opening > m.usual {
				t.Fatalf("%+v: %d openings", m, m.opening)
			}
			if m.open()+m.opening > full+m.usual {
				t.Fatalf("%+v: %d connections for %d", m, m.open()+m.opening, full)
			}
		}
		some := func(t *rapid.T, most int) int { return rapid.IntRange(0, most).Draw(t, "n") }
		t.Repeat(map[string]func(*rapid.T){
			"keep": func(t *rapid.T) { apply(t, m.usual) },
			"keep in a back-off": func(t *rapid.T) {
				apply(t, MaxOpening(rapid.SampledFrom([]Leave{Held, Probe}).Draw(t, "leave"), m.usual))
			},
			"opened":     func(t *rapid.T) { n := some(t, m.opening); m.opening -= n; m.idle += n },
			"refused":    func(t *rapid.T) { m.opening -= some(t, m.opening) },
			"lend":       func(t *rapid.T) { n := some(t, m.idle); m.idle -= n; m.lent += n },
			"lend due":   func(t *rapid.T) { n := some(t, m.dueIdle); m.dueIdle -= n; m.dueLent += n },
			"give back":  func(t *rapid.T) { n := some(t, m.lent); m.lent -= n; m.idle += n },
			"expire":     func(t *rapid.T) { n := some(t, m.idle); m.idle -= n; m.dueIdle += n },
			"expire all": func(*rapid.T) { m.dueIdle += m.idle; m.dueLent += m.lent; m.idle, m.lent = 0, 0 },
			"break":      func(t *rapid.T) { m.idle -= some(t, m.idle); m.lent -= some(t, m.lent) },
			"break all":  func(*rapid.T) { m.idle, m.lent, m.dueIdle, m.dueLent = 0, 0, 0, 0 },
		})
		// Left alone, with what is lent given back, it is full and fresh after one round for each batch of openings.
		m.idle, m.lent = m.idle+m.lent, 0
		m.dueIdle, m.dueLent = m.dueIdle+m.dueLent, 0
		for range full + 3 {
			apply(t, m.usual)
			m.idle, m.opening = m.idle+m.opening, 0
		}
		if decision := m.keep(m.usual); m.idle != full || m.dueIdle != 0 || decision != (KeeperDecision{}) {
			t.Fatalf("%+v does not settle: %+v", m, decision)
		}
	})
}

func TestExpiryStaysWithinTheJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opened := duration(0, 24*time.Hour).Draw(t, "opened")
		lifetime := duration(time.Second, time.Hour).Draw(t, "lifetime")
		jitter := rapid.Float64Range(0, 0.999).Draw(t, "jitter")
		expires := Expiry(opened, lifetime, jitter, unit.Draw(t, "u"))
		if expires > opened+lifetime || expires < opened+lifetime-scale(lifetime, jitter)-1 || expires <= opened {
			t.Fatalf("%v", expires)
		}
	})
}

func TestMaxOpening(t *testing.T) {
	for _, c := range []struct {
		leave       Leave
		usual, want int
	}{{Free, 4, 4}, {Probe, 4, 1}, {Probe, 0, 0}, {Held, 4, 0}} {
		if got := MaxOpening(c.leave, c.usual); got != c.want {
			t.Errorf("%v of %d: %d, want %d", c.leave, c.usual, got, c.want)
		}
	}
}
