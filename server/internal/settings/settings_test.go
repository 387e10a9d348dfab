package settings

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const endpoint = "abc123.dsql.eu-west-1.on.aws"

func load(set map[string]string) (Settings, error) {
	return Load(func(name string) (string, bool) { value, ok := set[name]; return value, ok })
}

func TestDefaults(t *testing.T) {
	want := Settings{
		Endpoint: endpoint, Port: 5432, Database: "postgres", User: "temporal_server", Region: "eu-west-1",
		MaxConns: 50, Lifetime: 55 * time.Minute, LifetimeJitter: 0.1, AcquireTimeout: 30 * time.Second, ConnectTimeout: 10 * time.Second,
		RatePerS: 10, Burst: 100, Stagger: true, StaggerMaxDelay: 5 * time.Second,
		CounterLimit:     100,
		WarmupMaxRetries: 5, WarmupRetryBackoff: 200 * time.Millisecond, WarmupMaxBackoff: 5 * time.Second,
		ShardFence: ForUpdate, ReplayLimit: 5,
	}
	for about, set := range map[string]map[string]string{
		"alone": {"DSQL_ENDPOINT": endpoint},
		"set to nothing": {
			"DSQL_ENDPOINT": " " + strings.ToUpper(endpoint) + " ", "DSQL_PORT": "", "DSQL_STAGGERED_STARTUP": " ", "AWS_REGION": "", "DSQL_USER": "",
		},
	} {
		got, err := load(set)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", about, got, err)
		}
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	got, err := load(map[string]string{
		"DSQL_ENDPOINT": endpoint, "DSQL_PORT": "5433", "DSQL_HOST_ADDRESS": "127.0.0.1", "DSQL_DATABASE": "d", "DSQL_USER": "admin", "DSQL_TLS_CA_FILE": "/ca",
		"AWS_REGION": "us-east-1", "TEMPORAL_SQL_MAX_CONNS": "20", "TEMPORAL_SQL_MAX_IDLE_CONNS": "20", "TEMPORAL_SQL_MAX_CONN_LIFETIME": "59m59s",
		"TEMPORAL_SQL_CONNECTION_TIMEOUT": "7s", "DSQL_CONNECT_TIMEOUT": "3s", "DSQL_LIFETIME_JITTER": "0", "DSQL_RESERVOIR": "5",
		"DSQL_CONNECTION_RATE_LIMIT": "2.5", "DSQL_CONNECTION_BURST_LIMIT": "1", "DSQL_STAGGERED_STARTUP": "false", "DSQL_STAGGERED_STARTUP_MAX_DELAY": "0s",
		"DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED": "true", "DSQL_DISTRIBUTED_RATE_LIMITER_TABLE": "t", "DSQL_DISTRIBUTED_RATE_LIMITER_LIMIT": "80",
		"DSQL_WARMUP_MAX_RETRIES": "2", "DSQL_WARMUP_RETRY_BACKOFF": "1s", "DSQL_WARMUP_MAX_BACKOFF": "1s",
		"DSQL_SHARD_FENCE": "key-share", "DSQL_REPLAY_LIMIT": "0",
	})
	want := Settings{
		Endpoint: endpoint, Port: 5433, HostAddress: "127.0.0.1", Database: "d", User: "admin", Region: "eu-west-1", CAFile: "/ca",
		MaxConns: 20, Reservoir: 5, Lifetime: 59*time.Minute + 59*time.Second, AcquireTimeout: 7 * time.Second, ConnectTimeout: 3 * time.Second,
		RatePerS: 2.5, Burst: 1, Counter: true, CounterTable: "t", CounterLimit: 80,
		WarmupMaxRetries: 2, WarmupRetryBackoff: time.Second, WarmupMaxBackoff: time.Second, ShardFence: KeyShare,
	}
	if err != nil || got != want || !got.Admin() {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestRegion(t *testing.T) {
	for host, want := range map[string]string{
		"abc.dsql.us-east-1.on.aws":                  "us-east-1",
		"abc.dsql-fnh4.ap-southeast-4.on.aws":        "ap-southeast-4",
		"foo0bar1baz2.dsql.us-gov-west-1.on.aws":     "us-gov-west-1",
		"db.example.com":                             "",
		"abc.dsql.us-east-1.on.aws.example.com":      "",
		"x.abc.dsql.us-east-1.on.aws":                "",
		"abc.dsqlx.us-east-1.on.aws":                 "",
		"vpce-1.dsql-fnh4.us-east-1.vpce.amazonaws.": "",
	} {
		if got := RegionOf(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	if s, err := load(map[string]string{"DSQL_ENDPOINT": "db.example.com", "AWS_REGION": "eu-north-1"}); err != nil || s.Region != "eu-north-1" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestEachRefusalNamesItsVariable(t *testing.T) {
	for _, c := range []struct{ variable, value, want string }{
		{"DSQL_ENDPOINT", "https://" + endpoint, "a host name alone"},
		{"DSQL_ENDPOINT", endpoint + ":5432", "a host name alone"},
		{"DSQL_PORT", "0", "from 1 to 65535"},
		{"DSQL_PORT", "65536", "from 1 to 65535"},
		{"TEMPORAL_SQL_MAX_CONNS", "0", "from 1 to 10000"},
		{"TEMPORAL_SQL_MAX_CONNS", "fifty", "from 1 to 10000"},
		{"TEMPORAL_SQL_MAX_IDLE_CONNS", "20", "50, as TEMPORAL_SQL_MAX_CONNS: a pool that closes idle connections"},
		{"TEMPORAL_SQL_MAX_CONN_LIFETIME", "60m", "less than 60m"},
		{"TEMPORAL_SQL_MAX_CONN_LIFETIME", "0s", "at least 1s"},
		{"TEMPORAL_SQL_CONNECTION_TIMEOUT", "30", "a duration such as"},
		{"DSQL_CONNECT_TIMEOUT", "-1s", "a duration such as"},
		{"DSQL_LIFETIME_JITTER", "1", "from 0 to below 1"},
		{"DSQL_LIFETIME_JITTER", "-0.1", "from 0 to below 1"},
		{"DSQL_LIFETIME_JITTER", "NaN", "from 0 to below 1"},
		{"DSQL_RESERVOIR", "-1", "from 0"},
		{"DSQL_RESERVOIR", "9999", "at most 10000 together with"},
		{"DSQL_CONNECTION_RATE_LIMIT", "0", "above 0"},
		{"DSQL_CONNECTION_RATE_LIMIT", "Inf", "above 0"},
		{"DSQL_CONNECTION_BURST_LIMIT", "0", "from 1"},
		{"DSQL_STAGGERED_STARTUP", "yes", "true or false"},
		{"DSQL_STAGGERED_STARTUP_MAX_DELAY", "-5s", "at least 0s"},
		{"DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED", "1", "true or false"},
		{"DSQL_DISTRIBUTED_RATE_LIMITER_LIMIT", "0", "from 1"},
		{"DSQL_WARMUP_MAX_RETRIES", "0", "from 1"},
		{"DSQL_WARMUP_RETRY_BACKOFF", "6s", "at most DSQL_WARMUP_MAX_BACKOFF, 5s"},
		{"DSQL_WARMUP_MAX_BACKOFF", "0s", "at least 1ms"},
		{"DSQL_SHARD_FENCE", "none", "for-update or key-share"},
		{"DSQL_REPLAY_LIMIT", "-1", "from 0"},
	} {
		set := map[string]string{"DSQL_ENDPOINT": endpoint, c.variable: c.value}
		_, err := load(set)
		var problems *ProblemsError
		if !errors.As(err, &problems) || len(problems.Problems) != 1 {
			t.Errorf("%s=%s: %v", c.variable, c.value, err)
			continue
		}
		p := problems.Problems[0]
		if p.Variable != c.variable || !strings.Contains(p.Want, c.want) || !strings.Contains(err.Error(), c.variable+"="+p.Value) {
			t.Errorf("%s=%s: %v", c.variable, c.value, err)
		}
	}
}

func TestAllProblemsComeAtOnce(t *testing.T) {
	_, err := load(map[string]string{
		"DSQL_PORT": "x", "DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED": "true", "DSQL_SHARD_FENCE": "none", "TEMPORAL_SQL_MAX_CONNS": "-1",
	})
	var problems *ProblemsError
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var named []string
	for _, p := range problems.Problems {
		named = append(named, p.Variable)
	}
	slices.Sort(named)
	want := []string{"DSQL_DISTRIBUTED_RATE_LIMITER_TABLE", "DSQL_ENDPOINT", "DSQL_PORT", "DSQL_SHARD_FENCE", "TEMPORAL_SQL_MAX_CONNS"}
	if !reflect.DeepEqual(named, want) {
		t.Fatalf("%v, want %v", named, want)
	}
	if _, err := load(map[string]string{"DSQL_ENDPOINT": "db.example.com"}); err == nil || !strings.Contains(err.Error(), "AWS_REGION is not set; expected the cluster's region") {
		t.Fatal(err)
	}
}

// Whatever the variables hold, what is loaded can be used.
func TestWhatIsLoadedHolds(t *testing.T) {
	names := variables(t)
	rapid.Check(t, func(t *rapid.T) {
		set := map[string]string{"DSQL_ENDPOINT": endpoint}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, "names") {
			set[name] = rapid.SampledFrom([]string{"", "0", "1", "20", "0.5", "-1", "true", "false", "5s", "59m", "61m", "key-share", "x.y", "9999", "1e3"}).Draw(t, name)
		}
		s, err := load(set)
		if err != nil {
			var problems *ProblemsError
			if !errors.As(err, &problems) || len(problems.Problems) == 0 {
				t.Fatal(err)
			}
			return
		}
		if s.MaxConns < 1 || s.MaxConns+s.Reservoir > MaxConnections || s.Lifetime >= SessionLimit || s.Lifetime <= 0 || s.LifetimeJitter >= 1 ||
			s.RatePerS <= 0 || s.Burst < 1 || s.WarmupRetryBackoff > s.WarmupMaxBackoff || s.ConnectTimeout <= 0 || s.Region == "" {
			t.Fatalf("%v: %+v", set, s)
		}
	})
}

// variables are those that Load asks for.
func variables(t *testing.T) []string {
	t.Helper()
	var asked []string
	_, err := Load(func(name string) (string, bool) {
		if !slices.Contains(asked, name) {
			asked = append(asked, name)
		}
		return map[string]string{"DSQL_ENDPOINT": endpoint}[name], false
	})
	if err != nil {
		t.Fatal(err)
	}
	return asked
}

// The table of docs/server.md has the variables that are read, and no other.
func TestTheDocumentedVariablesAreThoseThatAreRead(t *testing.T) {
	text, err := os.ReadFile("../../../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n## Environment\n")
	if !found {
		t.Fatal("docs/server.md has no section Environment")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	var documented []string
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		first := ""
		for _, match := range regexp.MustCompile("`([A-Z0-9_]+)`").FindAllStringSubmatch(cells[1], -1) {
			name := match[1]
			if strings.HasPrefix(name, "_") { // `A_ENABLED`, `_TABLE` stands for A_TABLE
				name = first[:strings.LastIndex(first, "_")] + name
			} else {
				first = name
			}
			documented = append(documented, name)
		}
	}
	asked := variables(t)
	slices.Sort(asked)
	slices.Sort(documented)
	if !reflect.DeepEqual(asked, documented) {
		t.Fatalf("read:\n%s\ndocumented:\n%s", strings.Join(asked, "\n"), strings.Join(documented, "\n"))
	}
}

func TestLines(t *testing.T) {
	s, err := load(map[string]string{"DSQL_ENDPOINT": endpoint})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"cluster: " + endpoint + ":5432, database postgres, role temporal_server, tokens for eu-west-1, TLS by the system's authorities",
		"pool: 50 connections, 0 ahead of need, lifetime 55m0s less up to 10 %, callers wait 30s, an opening takes at most 10s",
		"openings: 10 a second and 100 at once, a start delay up to 5s, no counter in DynamoDB",
		"warm-up: 5 attempts for a connection, waits from 200ms to 5s × 50–150 %",
		"transactions: fence for-update, 5 replays",
	}
	if got := s.Lines(); !reflect.DeepEqual(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	s.HostAddress, s.CAFile, s.Stagger, s.Counter, s.CounterTable = "10.0.0.1", "/ca", false, true, "limits"
	text := strings.Join(s.Lines(), "\n")
	for _, part := range []string{":5432 at 10.0.0.1,", "the authorities of /ca", "no start delay", "100 a second of all processes, counted in DynamoDB table limits"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
}
