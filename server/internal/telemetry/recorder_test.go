package telemetry

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/primitives"

	"auroral/server/internal/connect"
	"auroral/server/internal/policy"
	"auroral/server/internal/pool"
	"auroral/server/internal/replay"
	"auroral/server/internal/session"
)

// recordAll tells a recorder everything once, with every label's values.
func recordAll(r *Recorder) {
	r.PoolState(pool.Stats{Target: 50, Open: 49, InUse: 7, Idle: 42, Opening: 1, Waiting: 3})
	r.PoolState(pool.Stats{OnDemand: true, Target: 2, Open: 1}) // must not show
	r.PoolWaited(20 * time.Millisecond)
	for _, reason := range []pool.CloseReason{pool.Expired, pool.Lost, pool.Stale, pool.Dropped, pool.Shutdown} {
		r.PoolClosed(reason)
	}
	r.PoolWarmed(pool.WarmResult{WarmupResult: policy.WarmupResult{Target: 50, Created: 49, Failed: 1}, Took: 5 * time.Second})
	r.StartupConnection(nil)
	r.StartupConnection(errors.New("no"))
	for _, reason := range []session.Reason{
		connect.Opened, session.TooFast, session.TooMany, session.Denied, session.TimedOut, session.Network, session.Other,
	} {
		r.ConnectDone(30*time.Millisecond, reason)
	}
	for _, limiter := range []connect.Limiter{connect.StartDelay, connect.Local, connect.Shared} {
		r.ConnectWaited(limiter, 100*time.Millisecond)
	}
	r.ConnectUncounted()
	r.ConnectTokenSigned(15*time.Minute, nil)
	r.ConnectTokenSigned(0, errors.New("no credentials"))
	for _, where := range []replay.Where{replay.AtCommit, replay.AtStatement} {
		r.Conflicted(where)
	}
	r.Replayed()
	for _, reason := range []replay.Reason{replay.Changed, replay.Exhausted, replay.Deadline, replay.TooLarge, replay.Lost} {
		r.GaveUp(reason)
	}
	for _, outcome := range []replay.Outcome{
		replay.Committed, replay.CommittedByReplay, replay.RolledBack, replay.Conflicted, replay.Failed,
	} {
		r.Ended(outcome, 4*time.Millisecond)
	}
}

// scrape starts Temporal's own Prometheus endpoint, records with handlers of two services, and checks that the exposition
// comes to lack nothing: the reporter hands counters and gauges on once a second.
func scrape(t *testing.T, config *metrics.Config, lacks func(text string) []string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	config.Prometheus.ListenAddress = address
	handler, err := metrics.MetricsHandlerFromConfig(log.NewNoopLogger(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handler.Stop(log.NewNoopLogger()) })
	for _, service := range []primitives.ServiceName{primitives.ServerService, primitives.HistoryService} {
		r := New(handler.WithTags(metrics.ServiceNameTag(service)))
		signed := time.Unix(1_800_000_000, 0)
		r.now = func() time.Time { return signed }
		recordAll(r)
		r.now = func() time.Time { return signed.Add(90 * time.Second) }
		r.PoolState(pool.Stats{Target: 50, Open: 49, InUse: 7, Idle: 42, Opening: 1, Waiting: 3})
	}
	var text string
	var lacking []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if text, err = get("http://" + address + "/metrics"); err != nil {
			continue // the endpoint is started in the background
		}
		if lacking = lacks(text); len(lacking) == 0 {
			return text
		}
	}
	t.Fatalf("the scrape lacks %s (%v):\n%s", strings.Join(lacking, "\n"), err, text)
	return ""
}

func get(url string) (string, error) {
	response, err := http.Get(url) //nolint:gosec,noctx // a port of this test
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func tally() *metrics.Config {
	return &metrics.Config{Prometheus: &metrics.PrometheusConfig{TimerType: "histogram"}}
}

func openTelemetry() *metrics.Config {
	return &metrics.Config{Prometheus: &metrics.PrometheusConfig{Framework: metrics.FrameworkOpentelemetry}}
}

func TestEveryMetricIsInTheScrapeOfTemporalsEndpoint(t *testing.T) {
	for framework, config := range map[string]*metrics.Config{"tally": tally(), "opentelemetry": openTelemetry()} {
		t.Run(framework, func(t *testing.T) {
			text := scrape(t, config, func(text string) (lacking []string) {
				for _, m := range Metrics() {
					for _, service := range []string{"server", "history"} {
						labels := append(slices.Clone(m.Labels), `service_name="`+service+`"`)
						if name := m.exposed(framework); !has(text, name, labels) {
							lacking = append(lacking, name+" with "+strings.Join(labels, ", "))
						}
					}
				}
				return lacking
			})
			for _, line := range strings.Split(text, "\n") {
				name, _, _ := strings.Cut(line, "{")
				if strings.HasPrefix(name, "dsql_") && !slices.ContainsFunc(Metrics(), func(m Metric) bool { return strings.HasPrefix(name, m.Name) }) {
					t.Errorf("%s has no definition here", name)
				}
			}
		})
	}
}

func TestValuesOfTheScrape(t *testing.T) {
	wanted := []string{
		`dsql_pool_open{service_name="history"} 49`,
		`dsql_pool_target{service_name="history"} 50`,
		`dsql_pool_in_use{service_name="history"} 7`,
		`dsql_pool_idle{service_name="history"} 42`,
		`dsql_pool_opening{service_name="history"} 1`,
		`dsql_pool_waiting{service_name="history"} 3`,
		`dsql_pool_waits{service_name="history"} 1`,
		`dsql_pool_wait_latency_sum{service_name="history"} 0.02`,
		`dsql_pool_closed{reason="expired",service_name="history"} 1`,
		`dsql_connects{outcome="opened",reason="none",service_name="history"} 1`,
		`dsql_connects{outcome="refused",reason="rate",service_name="history"} 1`,
		`dsql_connect_latency_sum{outcome="refused",reason="rate",service_name="history"} 0.03`,
		`dsql_warmup_connections{outcome="opened",service_name="history"} 49`,
		`dsql_warmup_connections{outcome="refused",service_name="history"} 1`,
		`dsql_warmup_latency_sum{service_name="history"} 5`,
		`dsql_startup_connections{outcome="refused",service_name="history"} 1`,
		`dsql_token_age{service_name="history"} 90`,
		`dsql_tokens{outcome="failed",service_name="history"} 1`,
		`dsql_limiter_wait_latency_sum{limiter="shared",service_name="history"} 0.1`,
		`dsql_limiter_failures{service_name="history"} 1`,
		`dsql_transaction_conflicts{service_name="history",where="commit"} 1`,
		`dsql_transaction_replays{service_name="history"} 1`,
		`dsql_transaction_replays_exhausted{reason="too_large",service_name="history"} 1`,
		`dsql_transaction_latency_count{outcome="replayed",service_name="history"} 1`,
		`dsql_transaction_latency_count{outcome="rolled_back",service_name="history"} 1`,
	}
	scrape(t, tally(), func(text string) []string {
		lines := strings.Split(text, "\n")
		return slices.DeleteFunc(slices.Clone(wanted), func(line string) bool { return slices.Contains(lines, line) })
	})
}

// has is whether a line of the exposition is of this name and has all these labels, or parts of labels.
func has(text, name string, labels []string) bool {
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, name+"{") {
			continue
		}
		if !slices.ContainsFunc(labels, func(label string) bool { return !strings.Contains(line, label) }) {
			return true
		}
	}
	return false
}

// exposed is the first name that Prometheus shows of a metric.
func (m Metric) exposed(framework string) string {
	switch {
	case m.Kind == Timer && framework == "opentelemetry":
		return m.Name + "_milliseconds_bucket"
	case m.Kind == Timer:
		return m.Name + "_bucket"
	case m.Kind == Counter && framework == "opentelemetry":
		return m.Name + "_total"
	default:
		return m.Name
	}
}

var update = flag.Bool("update", false, "write the reference anew")

const reference = "../../../docs/reference/server-metrics.md"

func TestReferenceIsThatOfTheDefinitions(t *testing.T) {
	want := page()
	if *update {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil { //nolint:gosec // a page for all to read
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/reference/server-metrics.md is not that of the definitions: go test ./internal/telemetry -run Reference -update")
	}
}

func page() string {
	var b strings.Builder
	b.WriteString(`# Metrics of the server's DSQL store

They are in Temporal's own registry: one scrape of ` + "`:9090/metrics`" + ` has them beside Temporal's. Every one has the label ` + "`service_name`" + `
(` + "`history`, `matching`, `frontend`, `worker`; `server`" + ` for the brief stores of the start-up), and those named here. The names are those of the image's
configuration (Temporal's default reporter, no prefix): a timer is a histogram in seconds with ` + "`_bucket`, `_sum` and `_count`" + `. With
` + "`framework: opentelemetry`" + ` counters end in ` + "`_total`" + ` and timers in ` + "`_milliseconds`" + `. A counter appears once it has counted.

This page is generated from ` + "`server/internal/telemetry`" + `.

| metric | kind | labels | what it tells |
| --- | --- | --- | --- |
`)
	for _, m := range Metrics() {
		labels := make([]string, len(m.Labels))
		for i, label := range m.Labels {
			labels[i] = "`" + label + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, strings.Join(labels, ", "), m.Help)
	}
	b.WriteString(`
Gauges are recorded when they change, at most once a second, and at least every ten seconds.
`)
	return b.String()
}
