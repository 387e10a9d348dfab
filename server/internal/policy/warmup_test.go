package policy

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever fails, a warm-up ends, accounts for each connection and never opens right after a failure.
func TestWarmupEndsAndAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := WarmupConfig{
			Target:       rapid.IntRange(0, 20).Draw(t, "target"),
			MaxRetries:   rapid.IntRange(1, 6).Draw(t, "retries"),
			FirstBackoff: 200 * time.Millisecond, MaxBackoff: 5 * time.Second,
		}
		warmup := NewWarmup(config)
		attempts, waited := 0, true
		for steps := 0; ; steps++ {
			if steps > 2*(config.Target*config.MaxRetries+1) {
				t.Fatal("it does not end")
			}
			step := warmup.Next()
			if step.Action == WarmupDone {
				break
			}
			if step.Action == WarmupWait {
				if step.Wait < config.FirstBackoff/2 || step.Wait > config.MaxBackoff*3/2 {
					t.Fatalf("a wait of %v", step.Wait)
				}
				waited = true
				continue
			}
			if !waited {
				t.Fatal("an opening right after a failure")
			}
			attempts++
			if rapid.Bool().Draw(t, "works") {
				warmup.Opened()
			} else {
				warmup.Failed(unit.Draw(t, "u"))
				waited = false
			}
		}
		r := warmup.Result()
		gaveUp := r.Created == 0 && r.Failed == WarmupGiveUp
		if r.Attempts != attempts || (r.Created+r.Failed != config.Target && !gaveUp) {
			t.Fatalf("%+v after %d attempts", r, attempts)
		}
		if r.Usable() != (r.Created > 0 || config.Target == 0) || r.Complete() != (r.Created == config.Target) {
			t.Fatalf("%+v", r)
		}
	})
}
