package host

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestStartPeriodOfTheSpecsPools(t *testing.T) {
	for name, want := range map[string]struct {
		warmup Warmup
		period time.Duration
	}{
		"default":  {Warmup{50, 10, 100, 250 * time.Millisecond, 5 * time.Second, time.Minute}, 78 * time.Second},
		"history":  {Warmup{50, 8, 40, 100 * time.Millisecond, 5 * time.Second, time.Minute}, 70 * time.Second},
		"worker":   {Warmup{50, 2, 10, 100 * time.Millisecond, 5 * time.Second, time.Minute}, 86 * time.Second},
		"frontend": {Warmup{50, 4, 20, 100 * time.Millisecond, 5 * time.Second, time.Minute}, 73 * time.Second},
	} {
		period, err := StartPeriod(want.warmup)
		require.NoError(t, err, name)
		require.Equal(t, want.period, period, name)
	}
}

func TestStartPeriodRefuses(t *testing.T) {
	good := Warmup{Connections: 50, RatePerS: 10, Burst: 100}
	for text, change := range map[string]func(*Warmup){
		"connections":   func(w *Warmup) { w.Connections = 0 },
		"rate":          func(w *Warmup) { w.RatePerS = 0 },
		"burst":         func(w *Warmup) { w.Burst = 0 },
		"negative":      func(w *Warmup) { w.Margin = -1 },
		"ECS allows":    func(w *Warmup) { w.Connections, w.RatePerS, w.Burst = 1000, 1, 1 },
		"a higher rate": func(w *Warmup) { w.Latency = time.Hour },
	} {
		w := good
		change(&w)
		_, err := StartPeriod(w)
		require.ErrorContains(t, err, text)
	}
}

// The closed form against a token bucket stepped through, one connection after the other.
func TestThePoolIsFullWithinTheStartPeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Warmup{
			Connections: rapid.IntRange(1, 200).Draw(t, "connections"),
			RatePerS:    rapid.Float64Range(1, 50).Draw(t, "rate"),
			Burst:       rapid.IntRange(1, 200).Draw(t, "burst"),
			Latency:     time.Duration(rapid.IntRange(0, 500).Draw(t, "latencyMs")) * time.Millisecond,
			StaggerMax:  time.Duration(rapid.IntRange(0, 10).Draw(t, "staggerS")) * time.Second,
		}
		period, err := StartPeriod(w)
		if err != nil {
			return
		}
		now, tokens, at := w.StaggerMax.Seconds(), float64(w.Burst), w.StaggerMax.Seconds()
		for range w.Connections {
			tokens = min(float64(w.Burst), tokens+(now-at)*w.RatePerS)
			at = now
			if tokens < 1 {
				now += (1 - tokens) / w.RatePerS
				tokens, at = 1, now
			}
			tokens--
			now += w.Latency.Seconds()
		}
		if now > period.Seconds()+1e-6 {
			t.Fatalf("full after %g s, start period %s", now, period)
		}
		if period.Seconds() > now+1+1e-6 {
			t.Fatalf("full after %g s, start period %s is more than a second above", now, period)
		}
	})
}
