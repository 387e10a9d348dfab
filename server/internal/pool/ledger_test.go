package pool

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"auroral/server/internal/policy"
)

// machine drives a ledger with every event in any order, beside a model that only knows who holds what.
type machine struct {
	l        *ledger
	now      time.Duration
	held     []*member // by callers
	probing  []*member
	waiting  []*waiter // in order of coming
	granted  []*waiter // woken, not yet looked
	underWay int
	gone     map[*member]bool
	closed   bool
}

var errRefused, errShut = errors.New("refused"), errors.New("shut")

func (m *machine) lend(t *rapid.T) {
	if m.closed {
		return
	}
	idle := len(m.l.idle)
	got := m.l.lend(m.now)
	if (got == nil) != (idle == 0) {
		t.Fatalf("%d idle, lent %v", idle, got)
	}
	if got != nil {
		m.hold(t, got)
		return
	}
	w := &waiter{}
	w.wake = func() {
		if len(m.waiting) == 0 || m.waiting[0] != w {
			t.Fatal("not the first in the queue was served")
		}
		m.waiting = m.waiting[1:]
		m.granted = append(m.granted, w)
	}
	m.waiting = append(m.waiting, w)
	m.l.enqueue(w)
}

func (m *machine) hold(t *rapid.T, got *member) {
	for _, other := range m.held {
		if other == got {
			t.Fatal("lent twice")
		}
	}
	if m.gone[got] {
		t.Fatal("lent after it had left")
	}
	m.held = append(m.held, got)
}

// look is a caller that wakes up: it takes what it was given, or has just given up.
func (m *machine) look(t *rapid.T) {
	if len(m.granted) == 0 {
		return
	}
	w := m.granted[0]
	m.granted = m.granted[1:]
	switch {
	case w.err != nil:
	case rapid.Bool().Draw(t, "gave up"):
		m.left(t, m.l.leave(w, m.now), w.got == nil)
	default:
		m.hold(t, w.got)
	}
}

func (m *machine) giveUp(t *rapid.T) {
	if len(m.waiting) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.waiting)-1).Draw(t, "who")
	w := m.waiting[i]
	m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
	if m.l.leave(w, m.now) != nil {
		t.Fatal("a caller who was given nothing gave something back")
	}
}

func (m *machine) left(t *rapid.T, who *member, cleared bool) {
	if !cleared {
		t.Fatal("a caller who gave up still holds a connection")
	}
	if who != nil {
		m.gone[who] = true
	}
}

func (m *machine) giveBack(t *rapid.T, from *[]*member) {
	if len(*from) == 0 {
		return
	}
	i := rapid.IntRange(0, len(*from)-1).Draw(t, "which")
	who := (*from)[i]
	*from = append((*from)[:i:i], (*from)[i+1:]...)
	healthy := rapid.IntRange(0, 9).Draw(t, "health") > 1
	before := m.l.open()
	leaves := m.l.takeBack(who, healthy, m.now, m.now)
	m.gone[who] = leaves
	if !leaves && (!healthy || m.closed) {
		t.Fatal("a broken connection was kept, or one by a closed pool")
	}
	if healthy && leaves && !m.closed {
		if !policy.Due(m.now, who.expires) {
			t.Fatal("a good connection was given away")
		}
		if before <= m.l.target && !m.l.onDemand {
			t.Fatalf("a connection was retired at %d of %d", before, m.l.target)
		}
	}
}

func (m *machine) openEnds(t *rapid.T) {
	if m.underWay == 0 {
		return
	}
	m.underWay--
	if rapid.IntRange(0, 9).Draw(t, "answer") < 3 {
		queued := len(m.waiting)
		wait := m.l.refused(errRefused, m.now, rapid.Float64Range(0, 0.999).Draw(t, "u"))
		if wait <= 0 {
			t.Fatal("no back-off")
		}
		if told := queued - len(m.waiting); m.l.onDemand && queued > 0 && told != 1 || !m.l.onDemand && told != 0 {
			t.Fatalf("%d of %d were told of the refusal", told, queued)
		}
		return
	}
	fresh := &member{expires: m.now + time.Duration(rapid.IntRange(1, 600).Draw(t, "life"))*time.Second}
	leaves := m.l.opened(fresh, m.now)
	if leaves != m.closed {
		t.Fatal("an opened connection leaves only a closed pool")
	}
	m.gone[fresh] = leaves
}

func (m *machine) keep(t *rapid.T) {
	before, beforeOpen := m.l.opening, m.l.open()
	w := m.l.plan(m.now)
	m.underWay += w.open
	if m.closed && (w.open > 0 || len(w.retire) > 0 || w.probe != nil) {
		t.Fatal("a closed pool acts")
	}
	if w.open > 0 && before+w.open > m.l.maxOpening {
		t.Fatalf("%d openings at once", before+w.open)
	}
	if w.open > 0 && m.now < m.l.heldUntil {
		t.Fatal("an opening while held off")
	}
	if len(w.retire) > 0 && beforeOpen-len(w.retire) < m.l.target {
		t.Fatal("retired below the target")
	}
	for _, who := range w.retire {
		if !policy.Due(m.now, who.expires) {
			t.Fatal("retired too early")
		}
		m.gone[who] = true
	}
	if w.probe != nil {
		if m.now < w.probe.proved+30*time.Second {
			t.Fatal("probed too early")
		}
		m.hold(t, w.probe)
		m.held = m.held[:len(m.held)-1]
		m.probing = append(m.probing, w.probe)
	}
	if w.again != 0 && w.again <= m.now {
		t.Fatalf("the keeper would run in circles: look at %s, now %s", w.again, m.now)
	}
	m.l.each(func(who *member, _ bool) {
		if due := who.expires; !m.l.onDemand && !m.closed && due > m.now && (w.again == 0 || w.again > due) {
			t.Fatalf("the keeper would miss an expiry at %s, it looks again at %s", due, w.again)
		}
	})
	// Nothing more to do now, and never anything missed: what is missing is under way, held off (then a time is set), or all
	// that may be under way is.
	if again := m.l.plan(m.now); again.open > 0 || len(again.retire) > 0 {
		t.Fatal("the keeper did not do all it could")
	}
	if missing := m.l.target - m.l.open() - m.l.opening; !m.closed && !m.l.onDemand && missing > 0 &&
		m.l.opening == 0 && (w.again == 0 || w.again > max(m.l.heldUntil, m.now)) {
		t.Fatalf("%d are missing and nobody comes back for them", missing)
	}
}

func (m *machine) check(t *rapid.T) {
	ungranted := 0
	for _, w := range m.granted {
		if w.got != nil {
			ungranted++
		}
	}
	if lent := len(m.held) + ungranted; lent != len(m.l.lent) {
		t.Fatalf("callers have %d, the ledger lent %d", lent, len(m.l.lent))
	}
	if len(m.probing) != len(m.l.probing) || len(m.probing) > 1 {
		t.Fatalf("%d probes, the ledger knows %d", len(m.probing), len(m.l.probing))
	}
	if m.underWay != m.l.opening {
		t.Fatalf("%d openings, the ledger knows %d", m.underWay, m.l.opening)
	}
	if len(m.waiting) != m.l.queue.Len() {
		t.Fatalf("%d wait, the ledger knows %d", len(m.waiting), m.l.queue.Len())
	}
	if len(m.waiting) > 0 && len(m.l.idle) > 0 {
		t.Fatal("callers wait beside idle connections")
	}
	m.l.each(func(who *member, _ bool) {
		if left, known := m.gone[who]; left || !known {
			t.Fatal("the ledger has a connection that left, or none that was opened")
		}
	})
	stay := 0
	for _, left := range m.gone {
		if !left {
			stay++
		}
	}
	if !m.closed && stay != m.l.open() {
		t.Fatalf("%d connections should be here, the ledger has %d", stay, m.l.open())
	}
	if bound := m.l.target + m.l.reservoir + m.l.maxOpening; m.l.open()+m.l.opening > bound {
		t.Fatalf("%d connections open or opening, at most %d allowed", m.l.open()+m.l.opening, bound)
	}
}

func TestLedgerInAnyOrderOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			gone: map[*member]bool{},
			l: newLedger(Options{
				Target:     rapid.IntRange(1, 6).Draw(t, "target"),
				Reservoir:  rapid.IntRange(0, 2).Draw(t, "reservoir"),
				MaxOpening: rapid.IntRange(1, 4).Draw(t, "max opening"),
				OnDemand:   rapid.Bool().Draw(t, "on demand"),
				ProbeAfter: 30 * time.Second,
				Warmup:     policy.WarmupConfig{FirstBackoff: 200 * time.Millisecond, MaxBackoff: 5 * time.Second},
			}),
		}
		if !m.l.onDemand { // warmed
			for range rapid.IntRange(0, m.l.target).Draw(t, "warm") {
				m.l.opening++
				warm := &member{expires: 5 * time.Minute}
				m.l.opened(warm, m.now)
				m.gone[warm] = false
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"lend":      m.lend,
			"look":      m.look,
			"give up":   m.giveUp,
			"give back": func(t *rapid.T) { m.giveBack(t, &m.held) },
			"probe end": func(t *rapid.T) { m.giveBack(t, &m.probing) },
			"open ends": m.openEnds,
			"keep":      m.keep,
			"time": func(t *rapid.T) {
				m.now += rapid.SampledFrom([]time.Duration{
					1, time.Millisecond, 200 * time.Millisecond, time.Second, 5 * time.Second, 31 * time.Second, time.Minute,
				}).Draw(t, "passes")
			},
			"close": func(t *rapid.T) {
				if m.closed || rapid.IntRange(0, 9).Draw(t, "really") > 0 {
					return
				}
				m.closed = true
				for _, who := range m.l.close(errShut) {
					m.gone[who] = true
				}
				if len(m.waiting) > 0 {
					t.Fatal("callers wait for a closed pool")
				}
			},
			"": m.check,
		})
	})
}

func TestDisturbedLedgerComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.IntRange(1, 60).Draw(t, "target")
		l := newLedger(Options{Target: target, MaxOpening: 4, Warmup: policy.WarmupConfig{
			FirstBackoff: 200 * time.Millisecond, MaxBackoff: 5 * time.Second,
		}})
		now := time.Second
		for range rapid.IntRange(0, target).Draw(t, "open") {
			l.opening++
			l.opened(&member{expires: now + time.Duration(rapid.IntRange(-60, 60).Draw(t, "left"))*time.Minute}, now)
		}
		refusals := rapid.IntRange(0, 5).Draw(t, "refusals")
		for step := 0; ; step++ {
			if step > 5*target+20 {
				t.Fatalf("no rest after %d steps: %d open of %d", step, l.open(), target)
			}
			w := l.plan(now)
			if w.open == 0 && len(w.retire) == 0 && now >= l.heldUntil {
				break
			}
			for range w.open {
				if refusals > 0 {
					refusals--
					l.refused(errRefused, now, 0.5)
				} else {
					l.opened(&member{expires: now + time.Hour}, now)
				}
			}
			now = max(now, l.heldUntil)
		}
		if l.open() != target {
			t.Fatalf("at rest with %d of %d", l.open(), target)
		}
	})
}

func TestLendsTheOneReturnedLastAColdOneAfterItAndADueOneOnlyAtNeed(t *testing.T) {
	l := newLedger(Options{Target: 4, ProbeAfter: time.Second})
	due, probed := &member{expires: time.Second}, &member{expires: time.Hour}
	first, last := &member{expires: time.Hour}, &member{expires: time.Hour}
	l.opening = 4
	for _, m := range []*member{first, last, due, probed} {
		l.opened(m, 0)
		l.lend(0)
	}
	for _, m := range []*member{probed, first, last, due} {
		if l.takeBack(m, true, 0, 0) {
			t.Fatal("it left")
		}
	}
	if w := l.plan(time.Second); w.probe != probed || l.takeBack(probed, true, time.Second, time.Second) {
		t.Fatalf("probed %p, want %p", w.probe, probed)
	}
	for i, want := range []*member{last, first, probed, due, nil} {
		if got := l.lend(time.Minute); got != want {
			t.Errorf("loan %d: got %p, want %p", i, got, want)
		}
	}
}

func TestADueConnectionGoesAtItsReturnUnderLoadToo(t *testing.T) {
	l := newLedger(Options{Target: 1, MaxOpening: 4})
	old := &member{expires: time.Minute}
	l.opening = 1
	l.opened(old, 0)
	l.lend(0)
	l.enqueue(&waiter{wake: func() {}}) // somebody always waits: it is never idle
	now := time.Hour
	if w := l.plan(now); w.open != 1 {
		t.Fatalf("no replacement is opened while it is lent: %+v", w)
	}
	if l.takeBack(old, true, now, now) {
		t.Fatal("it was closed before its replacement was there")
	}
	l.enqueue(&waiter{wake: func() {}})
	l.opened(&member{expires: 2 * time.Hour}, now)
	l.enqueue(&waiter{wake: func() {}})
	if !l.takeBack(old, true, now, now) {
		t.Error("it was lent again although its replacement is there")
	}
}
