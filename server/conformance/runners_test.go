package conformance

import (
	"encoding/json"
	"testing"

	"auroral/server/internal/policy"
)

func tokenBucket(t *testing.T, raw json.RawMessage) func(json.RawMessage) any {
	config := decode[struct {
		RatePerS float64 `json:"rate_per_s"`
		Burst    int     `json:"burst"`
		Start    seconds `json:"start_s"`
	}](t, raw)
	bucket := policy.NewBucket(config.RatePerS, config.Burst, d(config.Start))
	return func(raw json.RawMessage) any {
		event := decode[struct {
			At seconds `json:"at_s"`
		}](t, raw)
		return seconds(bucket.Take(d(event.At)))
	}
}

func stagger(t *testing.T, raw json.RawMessage) func(json.RawMessage) any {
	config := decode[struct {
		Enabled bool    `json:"enabled"`
		Max     seconds `json:"max_s"`
	}](t, raw)
	return func(raw json.RawMessage) any {
		event := decode[struct {
			U float64 `json:"u"`
		}](t, raw)
		return seconds(policy.StartDelay(config.Enabled, d(config.Max), event.U))
	}
}

type firstMax struct {
	First seconds `json:"first_s"`
	Max   seconds `json:"max_s"`
}

func backoff(t *testing.T, raw json.RawMessage) func(json.RawMessage) any {
	config := decode[firstMax](t, raw)
	return func(raw json.RawMessage) any {
		event := decode[struct {
			Attempt int     `json:"attempt"`
			U       float64 `json:"u"`
		}](t, raw)
		return seconds(policy.Backoff(event.Attempt, d(config.First), d(config.Max), event.U))
	}
}

func holdoff(t *testing.T, raw json.RawMessage) func(json.RawMessage) any {
	config := decode[firstMax](t, raw)
	state := policy.Holdoff{First: d(config.First), Max: d(config.Max)}
	return func(raw json.RawMessage) any {
		switch do := action(t, raw); do {
		case "leave":
			event := decode[struct {
				Do string  `json:"do"`
				At seconds `json:"at_s"`
			}](t, raw)
			return state.Leave(d(event.At)).String()
		case "failed":
			event := decode[struct {
				Do string  `json:"do"`
				At seconds `json:"at_s"`
				U  float64 `json:"u"`
			}](t, raw)
			return seconds(state.Failed(d(event.At), event.U))
		case "succeeded":
			state.Succeeded()
		default:
			t.Fatalf("%s: unknown event", raw)
		}
		return nil
	}
}

func warmup(t *testing.T, raw json.RawMessage) func(json.RawMessage) any {
	config := decode[struct {
		Target       int     `json:"target"`
		MaxRetries   int     `json:"max_retries"`
		FirstBackoff seconds `json:"first_backoff_s"`
		MaxBackoff   seconds `json:"max_backoff_s"`
	}](t, raw)
	state := policy.NewWarmup(policy.WarmupConfig{
		Target: config.Target, MaxRetries: config.MaxRetries, FirstBackoff: d(config.FirstBackoff), MaxBackoff: d(config.MaxBackoff),
	})
	return func(raw json.RawMessage) any {
		event := decode[struct {
			Do string  `json:"do"`
			U  float64 `json:"u" optional:"true"`
		}](t, raw)
		switch event.Do {
		case "next":
			step := state.Next()
			if step.Action == policy.WarmupWait {
				return seconds(step.Wait)
			}
			return step.Action.String()
		case "opened":
			state.Opened()
		case "failed":
			state.Failed(event.U)
		case "result":
			r := state.Result()
			return map[string]any{
				"created": r.Created, "failed": r.Failed, "attempts": r.Attempts, "complete": r.Complete(), "usable": r.Usable(),
			}
		default:
			t.Fatalf("%s: unknown event", raw)
		}
		return nil
	}
}

func expiry(t *testing.T, raw json.RawMessage) func(json.RawMessage) any {
	config := decode[struct {
		Lifetime seconds `json:"lifetime_s"`
		Jitter   float64 `json:"jitter"`
	}](t, raw)
	return func(raw json.RawMessage) any {
		event := decode[struct {
			Opened  *seconds `json:"opened_s" optional:"true"`
			U       *float64 `json:"u" optional:"true"`
			Now     *seconds `json:"now_s" optional:"true"`
			Expires *seconds `json:"expires_s" optional:"true"`
		}](t, raw)
		switch {
		case event.Opened != nil && event.U != nil:
			return seconds(policy.Expiry(d(*event.Opened), d(config.Lifetime), config.Jitter, *event.U))
		case event.Now != nil && event.Expires != nil:
			return policy.Due(d(*event.Now), d(*event.Expires))
		default:
			t.Fatalf("%s: unknown event", raw)
			return nil
		}
	}
}

func keeper(t *testing.T, raw json.RawMessage) func(json.RawMessage) any {
	config := decode[struct {
		Target     int `json:"target"`
		Reservoir  int `json:"reservoir"`
		MaxOpening int `json:"max_opening"`
	}](t, raw)
	return func(raw json.RawMessage) any {
		event := decode[struct {
			Leave   string `json:"leave" optional:"true"`
			Open    int    `json:"open"`
			Ready   int    `json:"ready"`
			DueIdle int    `json:"due_idle"`
			Opening int    `json:"opening"`
		}](t, raw)
		leave, known := map[string]policy.Leave{"": policy.Free, "free": policy.Free, "held": policy.Held, "probe": policy.Probe}[event.Leave]
		if !known {
			t.Fatalf("%s: unknown leave", raw)
		}
		decision := policy.Keep(policy.KeeperState{
			Target: config.Target, Reservoir: config.Reservoir, MaxOpening: policy.MaxOpening(leave, config.MaxOpening),
			Open: event.Open, Ready: event.Ready, DueIdle: event.DueIdle, Opening: event.Opening,
		})
		return map[string]int{"open": decision.Open, "retire": decision.Retire}
	}
}

func window(t *testing.T, raw json.RawMessage) func(json.RawMessage) any {
	config := decode[struct {
		Endpoint string `json:"endpoint"`
	}](t, raw)
	return func(raw json.RawMessage) any {
		switch do := action(t, raw); do {
		case "key":
			event := decode[struct {
				Do         string `json:"do"`
				UnixSecond int64  `json:"unix_second"`
			}](t, raw)
			return map[string]any{
				"key": policy.WindowKey(config.Endpoint, event.UnixSecond), "expires_unix_s": policy.WindowExpires(event.UnixSecond),
			}
		case "second":
			event := decode[struct {
				Do string  `json:"do"`
				At seconds `json:"at_unix_s"`
			}](t, raw)
			return policy.UnixSecond(d(event.At))
		case "after_refusal":
			event := decode[struct {
				Do       string  `json:"do"`
				At       seconds `json:"at_unix_s"`
				Refusals int     `json:"refusals"`
				U        float64 `json:"u"`
			}](t, raw)
			return seconds(policy.AfterRefusal(d(event.At), event.Refusals, event.U))
		case "bound":
			event := decode[struct {
				Do    string  `json:"do"`
				Limit int     `json:"limit"`
				Span  seconds `json:"span_s"`
				Skew  seconds `json:"skew_s"`
			}](t, raw)
			return policy.WindowBound(event.Limit, d(event.Span), d(event.Skew))
		default:
			t.Fatalf("%s: unknown event", raw)
			return nil
		}
	}
}
