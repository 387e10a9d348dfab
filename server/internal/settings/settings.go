// Package settings turns the environment into what the plugin runs with. It reads nothing itself.
package settings

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// SessionLimit is how long DSQL keeps a session (its connections page). A connection's lifetime must be below it.
const SessionLimit = 60 * time.Minute

// MaxConnections is how many connections one cluster of DSQL has by default (its quotas page); no count here is above it.
const MaxConnections = 10_000

// Fence is how a write proves that its shard is still owned.
type Fence string

// The fences.
const (
	ForUpdate Fence = "for-update"
	KeyShare  Fence = "key-share"
)

// Settings are all of the plugin's.
type Settings struct {
	Endpoint    string // the cluster's host name: TLS and tokens are for it
	Port        int
	HostAddress string // dialled instead of the endpoint, if set
	Database    string
	User        string
	Region      string // that tokens are signed for
	CAFile      string // PEM; the system's authorities if empty

	MaxConns       int // of a pool, open and idle alike
	Reservoir      int
	Lifetime       time.Duration
	LifetimeJitter float64
	AcquireTimeout time.Duration // of a caller who waits for a connection of the pool
	ConnectTimeout time.Duration // of one opening

	RatePerS        float64 // of this process
	Burst           int
	Stagger         bool
	StaggerMaxDelay time.Duration

	Counter      bool // the counter per second in DynamoDB
	CounterTable string
	CounterLimit int // openings a second, of all processes

	WarmupMaxRetries   int // attempts for one connection
	WarmupRetryBackoff time.Duration
	WarmupMaxBackoff   time.Duration

	ShardFence  Fence
	ReplayLimit int
}

// Admin is whether the database role is the built-in administrator, whose token is another one.
func (s Settings) Admin() bool { return s.User == "admin" }

// regionIn finds the region in a host name of DSQL: <id>.dsql.<region>.on.aws, with a suffix after dsql behind AWS PrivateLink.
var regionIn = regexp.MustCompile(`^[a-z0-9-]+\.dsql(?:-[a-z0-9]+)?\.([a-z]{2}[a-z0-9-]*-[0-9]+)\.on\.aws$`)

// RegionOf reads the region out of an endpoint; "" where it is not in there.
func RegionOf(endpoint string) string {
	if found := regionIn.FindStringSubmatch(endpoint); found != nil {
		return found[1]
	}
	return ""
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// Load reads the variables of docs/server.md. A variable that is set to nothing counts as not set, since task definitions have no other way to
// leave one out. The error is a *ProblemsError with everything that is wrong.
func Load(env func(string) (string, bool)) (Settings, error) {
	r := &reader{env: env}
	s := Settings{
		Endpoint:    strings.ToLower(r.text("DSQL_ENDPOINT", "")),
		Port:        r.whole("DSQL_PORT", 5432, 1, 65535),
		HostAddress: r.text("DSQL_HOST_ADDRESS", ""),
		Database:    r.text("DSQL_DATABASE", "postgres"),
		User:        r.text("DSQL_USER", "temporal_server"),
		CAFile:      r.text("DSQL_TLS_CA_FILE", ""),

		MaxConns:       r.whole("TEMPORAL_SQL_MAX_CONNS", 50, 1, MaxConnections),
		Reservoir:      r.whole("DSQL_RESERVOIR", 0, 0, MaxConnections),
		Lifetime:       r.duration("TEMPORAL_SQL_MAX_CONN_LIFETIME", 55*time.Minute, time.Second),
		LifetimeJitter: r.number("DSQL_LIFETIME_JITTER", 0.1, "a share from 0 to below 1", func(n float64) bool { return n >= 0 && n < 1 }),
		AcquireTimeout: r.duration("TEMPORAL_SQL_CONNECTION_TIMEOUT", 30*time.Second, time.Millisecond),
		ConnectTimeout: r.duration("DSQL_CONNECT_TIMEOUT", 10*time.Second, time.Millisecond),

		RatePerS: r.number("DSQL_CONNECTION_RATE_LIMIT", 10, "connections a second, above 0 and at most 10000",
			func(n float64) bool { return n > 0 && n <= MaxConnections }),
		Burst:           r.whole("DSQL_CONNECTION_BURST_LIMIT", 100, 1, MaxConnections),
		Stagger:         r.flag("DSQL_STAGGERED_STARTUP", true),
		StaggerMaxDelay: r.duration("DSQL_STAGGERED_STARTUP_MAX_DELAY", 5*time.Second, 0),

		Counter:      r.flag("DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED", false),
		CounterTable: r.text("DSQL_DISTRIBUTED_RATE_LIMITER_TABLE", ""),
		CounterLimit: r.whole("DSQL_DISTRIBUTED_RATE_LIMITER_LIMIT", 100, 1, MaxConnections),

		WarmupMaxRetries:   r.whole("DSQL_WARMUP_MAX_RETRIES", 5, 1, 1000),
		WarmupRetryBackoff: r.duration("DSQL_WARMUP_RETRY_BACKOFF", 200*time.Millisecond, time.Millisecond),
		WarmupMaxBackoff:   r.duration("DSQL_WARMUP_MAX_BACKOFF", 5*time.Second, time.Millisecond),

		ShardFence:  Fence(r.oneOf("DSQL_SHARD_FENCE", string(ForUpdate), string(KeyShare))),
		ReplayLimit: r.whole("DSQL_REPLAY_LIMIT", 5, 0, 1000),
	}
	r.together(&s)
	if len(r.problems) > 0 {
		return Settings{}, &ProblemsError{Problems: r.problems}
	}
	return s, nil
}

// together checks what one variable alone does not show.
func (r *reader) together(s *Settings) {
	switch {
	case s.Endpoint == "":
		r.wrong("DSQL_ENDPOINT", "", "the cluster's host name, such as abc.dsql.eu-west-1.on.aws")
	case !hostName.MatchString(s.Endpoint):
		r.wrong("DSQL_ENDPOINT", s.Endpoint, "a host name alone, without scheme, port or path")
	default:
		// The endpoint comes first: a token that is signed for another region is refused, and ECS sets AWS_REGION to the task's own.
		sdk := r.text("AWS_REGION", "")
		if s.Region = RegionOf(s.Endpoint); s.Region == "" {
			s.Region = sdk
		}
		if s.Region == "" {
			r.wrong("AWS_REGION", "", "the cluster's region, as "+s.Endpoint+" does not name it")
		}
	}
	idle := r.whole("TEMPORAL_SQL_MAX_IDLE_CONNS", s.MaxConns, 1, MaxConnections)
	if idle != s.MaxConns && !r.has("TEMPORAL_SQL_MAX_CONNS", "TEMPORAL_SQL_MAX_IDLE_CONNS") {
		r.wrong("TEMPORAL_SQL_MAX_IDLE_CONNS", strconv.Itoa(idle), fmt.Sprintf(
			"%d, as TEMPORAL_SQL_MAX_CONNS: a pool that closes idle connections opens them again under load, and DSQL takes 100 new ones a second for the whole cluster",
			s.MaxConns))
	}
	if s.Lifetime >= SessionLimit {
		r.wrong("TEMPORAL_SQL_MAX_CONN_LIFETIME", s.Lifetime.String(), "less than 60m, when DSQL ends a session in the midst of what it does")
	}
	if s.MaxConns+s.Reservoir > MaxConnections && !r.has("TEMPORAL_SQL_MAX_CONNS", "DSQL_RESERVOIR") {
		r.wrong("DSQL_RESERVOIR", strconv.Itoa(s.Reservoir), "at most 10000 together with TEMPORAL_SQL_MAX_CONNS")
	}
	if s.Counter && s.CounterTable == "" {
		r.wrong("DSQL_DISTRIBUTED_RATE_LIMITER_TABLE", "", "the name of the table, with DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED=true")
	}
	if s.WarmupRetryBackoff > s.WarmupMaxBackoff && !r.has("DSQL_WARMUP_RETRY_BACKOFF", "DSQL_WARMUP_MAX_BACKOFF") {
		r.wrong("DSQL_WARMUP_RETRY_BACKOFF", s.WarmupRetryBackoff.String(), "at most DSQL_WARMUP_MAX_BACKOFF, "+s.WarmupMaxBackoff.String())
	}
}

// Lines tell the settings for the log at the start. There is no secret among them.
func (s Settings) Lines() []string {
	address := fmt.Sprintf("%s:%d", s.Endpoint, s.Port)
	if s.HostAddress != "" {
		address += " at " + s.HostAddress
	}
	authorities := "the system's authorities"
	if s.CAFile != "" {
		authorities = "the authorities of " + s.CAFile
	}
	stagger := "no start delay"
	if s.Stagger {
		stagger = "a start delay up to " + s.StaggerMaxDelay.String()
	}
	counter := "no counter in DynamoDB"
	if s.Counter {
		counter = fmt.Sprintf("%d a second of all processes, counted in DynamoDB table %s", s.CounterLimit, s.CounterTable)
	}
	return []string{
		fmt.Sprintf("cluster: %s, database %s, role %s, tokens for %s, TLS by %s", address, s.Database, s.User, s.Region, authorities),
		fmt.Sprintf("pool: %d connections, %d ahead of need, lifetime %v less up to %g %%, callers wait %v, an opening takes at most %v",
			s.MaxConns, s.Reservoir, s.Lifetime, 100*s.LifetimeJitter, s.AcquireTimeout, s.ConnectTimeout),
		fmt.Sprintf("openings: %g a second and %d at once, %s, %s", s.RatePerS, s.Burst, stagger, counter),
		fmt.Sprintf("warm-up: %d attempts for a connection, waits from %v to %v × 50–150 %%", s.WarmupMaxRetries, s.WarmupRetryBackoff, s.WarmupMaxBackoff),
		fmt.Sprintf("transactions: fence %s, %d replays", s.ShardFence, s.ReplayLimit),
	}
}
