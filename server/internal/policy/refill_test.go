package policy

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// dsql is DSQL's limit on new connections as it documents it: a bucket of 1,000 that fills by 100 a second. It is written as a level, unlike
// Bucket, so that one error is not in both.
type dsql struct {
	level         float64
	at            time.Duration
	refused, took int
}

func (d *dsql) connect(now time.Duration) bool {
	d.level = min(1000, d.level+100*(now-d.at).Seconds())
	d.at = now
	if d.level < 1 {
		d.refused++
		return false
	}
	d.level--
	d.took++
	return true
}

// process is one server: a pool of which connections live for a fixed time, its keeper and its limiters.
type process struct {
	target   int
	bucket   *Bucket
	clock    time.Duration   // how far its clock is off
	expires  []time.Duration // of its connections
	openings []opening
	backoff  Holdoff
}

type opening struct {
	asks     time.Duration // when it asks a limiter next
	granted  bool
	done     time.Duration // when it is open, once granted
	refusals int
}

// world is a cluster of processes in virtual time.
type world struct {
	dsql      dsql
	processes []*process
	counters  *counters // nil: none
	lifetime  time.Duration
	jitter    float64
	random    *rand.Rand
}

const tick = 5 * time.Millisecond

// run drives the world; at each of the given moments every connection of every process breaks.
func (w *world) run(until time.Duration, breaks ...time.Duration) {
	for now := time.Duration(0); now < until; now += tick {
		for len(breaks) > 0 && breaks[0] <= now {
			breaks = breaks[1:]
			for _, p := range w.processes {
				p.expires = nil
			}
		}
		for _, p := range w.processes {
			w.step(p, now)
		}
	}
}

func (w *world) step(p *process, now time.Duration) {
	underWay := p.openings[:0]
	for _, o := range p.openings {
		if !o.granted && o.asks <= now {
			w.ask(p, &o, now)
		}
		if o.granted && o.done <= now {
			if w.dsql.connect(now) {
				p.expires = append(p.expires, Expiry(now, w.lifetime, w.jitter, w.random.Float64()))
				p.backoff.Succeeded()
			} else {
				p.backoff.Failed(now, w.random.Float64())
			}
			continue
		}
		underWay = append(underWay, o)
	}
	p.openings = underWay
	due := 0
	for _, at := range p.expires {
		if Due(now, at) {
			due++
		}
	}
	decision := Keep(KeeperState{
		Target: p.target, Open: len(p.expires), Ready: len(p.expires) - due, DueIdle: due, Opening: len(p.openings),
		MaxOpening: MaxOpening(p.backoff.Leave(now), 4),
	})
	for range decision.Open {
		p.openings = append(p.openings, opening{asks: now})
	}
	kept := p.expires[:0]
	for _, at := range p.expires {
		if Due(now, at) && decision.Retire > 0 {
			decision.Retire--
			continue
		}
		kept = append(kept, at)
	}
	p.expires = kept
}

func (w *world) ask(p *process, o *opening, now time.Duration) {
	if wait := p.bucket.Take(now); wait > 0 {
		o.asks = now + wait
		return
	}
	if w.counters != nil && !w.counters.take(now+p.clock) {
		// The local token is spent: a refused one takes another, which only makes it slower.
		o.refusals++
		o.asks = now + AfterRefusal(now+p.clock, o.refusals, w.random.Float64())
		return
	}
	o.granted = true
	o.done = now + time.Duration(w.random.Int64N(int64(50*time.Millisecond)))
}

func (w *world) add(count, target int, ratePerS float64, burst int) {
	for range count {
		w.processes = append(w.processes, &process{
			target: target, bucket: NewBucket(ratePerS, burst, 0), backoff: Holdoff{First: 200 * time.Millisecond, Max: 5 * time.Second},
		})
	}
}

func newWorld(seed uint64) *world {
	return &world{dsql: dsql{level: 1000}, lifetime: 55 * time.Minute, jitter: 0.1, random: rand.New(rand.NewPCG(seed, 0))}
}

func (w *world) check(t interface {
	Helper()
	Fatalf(string, ...any)
}, bound int,
) {
	t.Helper()
	if w.dsql.refused > 0 || w.dsql.took > bound {
		t.Fatalf("%d connects, %d refused; want at most %d and none", w.dsql.took, w.dsql.refused, bound)
	}
	for i, p := range w.processes {
		if len(p.expires) < p.target {
			t.Fatalf("process %d has %d connections of %d", i, len(p.expires), p.target)
		}
	}
}

// Ten minutes of the 100-a-second preset (88/s, bursts of 420): a cold start, a lifetime of one minute without jitter so that all expire together
// nine times, and every connection of all 15 processes broken twice.
func TestTenMinutesOfRefillsStayUnderTheRate(t *testing.T) {
	w := newWorld(1)
	w.lifetime, w.jitter = time.Minute, 0
	w.add(6, 50, 8, 40)
	w.add(4, 50, 6, 30)
	w.add(3, 50, 4, 20)
	w.add(2, 50, 2, 10)
	w.run(10*time.Minute, 95*time.Second, 300*time.Second)
	w.check(t, 100*600+1000)
	if w.dsql.took < 15*50*8 {
		t.Fatalf("only %d connects: this run asks for too little to show anything", w.dsql.took)
	}
	t.Logf("%d connects in ten minutes", w.dsql.took)
}

// Any partition of DSQL's rate and burst among processes is safe, whatever breaks when.
func TestAPartitionOfTheRateIsNeverRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.Uint64().Draw(t, "seed"))
		w.lifetime = duration(2*time.Second, time.Minute).Draw(t, "lifetime")
		w.jitter = rapid.Float64Range(0, 0.5).Draw(t, "jitter")
		rate, burst := 100.0, 1000
		for range rapid.IntRange(1, 12).Draw(t, "processes") {
			r := rapid.Float64Range(0.1, 100).Draw(t, "rate")
			b := rapid.IntRange(1, 1000).Draw(t, "burst")
			if r > rate || b > burst {
				break
			}
			rate, burst = rate-r, burst-b
			w.add(1, rapid.IntRange(1, 50).Draw(t, "target"), r, b)
		}
		w.run(20*time.Second, duration(0, 10*time.Second).Draw(t, "break"), duration(10*time.Second, 20*time.Second).Draw(t, "break again"))
		if w.dsql.refused > 0 || w.dsql.took > 100*20+1000 {
			t.Fatalf("%d connects, %d refused", w.dsql.took, w.dsql.refused)
		}
	})
}

// With the counter per second, 40 processes whose own limits add up to ten times DSQL's are not refused either, with clocks up to 3.9 s off
// (2 × 3.9 s + 50 ms to connect is below the 8 s that WindowBound leaves).
func TestTheCounterAloneIsNeverRefused(t *testing.T) {
	for seed := range uint64(3) {
		w := newWorld(seed)
		w.lifetime, w.jitter = time.Minute, 0
		w.counters = &counters{limit: 100, taken: map[int64]int{}}
		w.add(40, 50, 25, 100)
		for _, p := range w.processes {
			p.clock = time.Duration((2*w.random.Float64() - 1) * 3.9 * float64(time.Second))
		}
		w.run(10*time.Minute, 95*time.Second, 300*time.Second)
		w.check(t, 100*600+1000)
		if w.dsql.took < 40*50*8 {
			t.Fatalf("only %d connects: this run asks for too little to show anything", w.dsql.took)
		}
	}
}

// The control: the same world without a counter is refused, and the back-off of its keepers still brings every pool back.
func TestWithoutALimitItIsRefused(t *testing.T) {
	w := newWorld(1)
	w.add(40, 50, 25, 100)
	w.run(3*time.Minute, 30*time.Second)
	if w.dsql.refused == 0 {
		t.Fatal("nothing was refused: the model shows nothing")
	}
	w.dsql.refused = 0
	w.check(t, 100*180+1000)
}
