package host

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"auroral/server/internal/settings"
)

// Kind says how a variable's text is read.
type Kind string

// The kinds of variables.
const (
	Text     Kind = "text"
	Whole    Kind = "whole number"
	Number   Kind = "number"
	Port     Kind = "port"
	Switch   Kind = "true or false"
	Duration Kind = "duration"
	IP       Kind = "IP address"
)

// Reader says who reads a variable.
type Reader string

// The readers.
const (
	ByTemplate Reader = "the template"
	ByHost     Reader = "auroral-server"
	ByPlugin   Reader = "the dsql plugin"
)

// Variable is one variable of the server's environment.
type Variable struct {
	Name    string
	Kind    Kind
	Default string // as it holds where the variable is not set; "" for none
	Of      []string
	Reader  Reader
	Secret  bool
	Meaning string
}

// Group is a heading of the reference.
type Group struct {
	Title     string
	Variables []Variable
}

func template(name string, kind Kind, standard, meaning string) Variable {
	return Variable{Name: name, Kind: kind, Default: standard, Reader: ByTemplate, Meaning: meaning}
}

func (v Variable) by(reader Reader) Variable { v.Reader = reader; return v }
func (v Variable) secret() Variable          { v.Secret = true; return v }
func (v Variable) of(values ...string) Variable {
	v.Of = values
	return v
}

// Groups are all variables, in the order of the reference.
var Groups = []Group{
	{"The process", []Variable{
		template("TEMPORAL_SERVICES", Text, "frontend,history,matching,worker", "the roles of this task, separated by commas; also as `SERVICES`, or `--services`").by(ByHost),
		template("SERVICES", Text, "", "the roles, where `TEMPORAL_SERVICES` is not set: the stock image's name for them").by(ByHost),
		template("TEMPORAL_SERVER_CONFIG_FILE_PATH", Text, DefaultConfigFile, "the configuration's template; also as `--config`").by(ByHost),
		template("AURORAL_STOP_TIMEOUT", Duration, "100s", "how long a drain may take; below the task's `stopTimeout`, which ECS lets be 120 s at most").by(ByHost),
		template("DYNAMIC_CONFIG_FILE_PATH", Text, DefaultDynamicConfigFile, "the dynamic configuration, read again every 60 s"),
		template("LOG_LEVEL", Text, "info", "the least level that is logged").of("debug", "info", "warn", "error"),
		template("LOG_FORMAT", Text, "json", "the log's form").of("json", "console"),
		template("PROMETHEUS_ENDPOINT", Text, "0.0.0.0:9090", "where metrics are served, at `/metrics`; `off` for none"),
	}},
	{"Addresses and ports", []Variable{
		template("BIND_ON_IP", IP, "0.0.0.0", "where every port is bound"),
		template("TEMPORAL_BROADCAST_ADDRESS", IP, "", "what peers are told; where it is not set: the task's address from ECS, else the bind address, else the first private address of this machine"),
		template("ECS_CONTAINER_METADATA_URI_V4", Text, "", "set by ECS: where the task's address is asked").by(ByHost),
		template("FRONTEND_GRPC_PORT", Port, "7233", "gRPC of the frontend"),
		template("FRONTEND_HTTP_PORT", Port, "7243", "HTTP of the frontend"),
		template("FRONTEND_MEMBERSHIP_PORT", Port, "6933", "membership of the frontend"),
		template("HISTORY_GRPC_PORT", Port, "7234", "gRPC of history"),
		template("HISTORY_MEMBERSHIP_PORT", Port, "6934", "membership of history"),
		template("MATCHING_GRPC_PORT", Port, "7235", "gRPC of matching"),
		template("MATCHING_MEMBERSHIP_PORT", Port, "6935", "membership of matching"),
		template("WORKER_GRPC_PORT", Port, "7239", "gRPC of the worker, for its health"),
		template("WORKER_MEMBERSHIP_PORT", Port, "6939", "membership of the worker"),
		template("USE_INTERNAL_FRONTEND", Switch, "false", "whether the cluster has the role `internal-frontend`: Temporal's own worker then needs no authorization"),
		template("INTERNAL_FRONTEND_GRPC_PORT", Port, "7236", "gRPC of the internal frontend"),
		template("INTERNAL_FRONTEND_MEMBERSHIP_PORT", Port, "6936", "membership of the internal frontend"),
		template("PUBLIC_FRONTEND_ADDRESS", Text, "", "`host:port` at which Temporal's own worker reaches a frontend; where it is not set, through the membership"),
		template("CLUSTER_RPC_ADDRESS", Text, "127.0.0.1:<frontend port>", "`host:port` that the cluster's record tells other clusters; the same in every task"),
		template("CLUSTER_HTTP_ADDRESS", Text, "127.0.0.1:<frontend HTTP port>", "the same for HTTP"),
	}},
	{"The store", []Variable{
		template("TEMPORAL_PERSISTENCE", Text, "dsql", "the store").of("dsql", "postgres"),
		template("NUM_HISTORY_SHARDS", Whole, "512", "history shards; fixed when the cluster first starts"),
		template("TEMPORAL_SQL_MAX_CONNS", Whole, "50", "connections of the pool"),
		template("TEMPORAL_SQL_MAX_IDLE_CONNS", Whole, "<TEMPORAL_SQL_MAX_CONNS>", "idle connections kept; on DSQL all of them"),
		template("TEMPORAL_SQL_MAX_CONN_LIFETIME", Duration, "55m", "lifetime of a connection; below DSQL's 60 minutes"),
		template("TEMPORAL_SQL_CONNECTION_TIMEOUT", Duration, "30s", "how long a caller waits for a connection of the pool").by(ByPlugin),
	}},
	{"DSQL", []Variable{
		template("DSQL_ENDPOINT", Text, "", "the cluster's host name; tokens and TLS are for it. Needed with `TEMPORAL_PERSISTENCE=dsql`"),
		template("DSQL_PORT", Port, "5432", "its port"),
		template("DSQL_DATABASE", Text, "postgres", "the database"),
		template("DSQL_USER", Text, "temporal_server", "the database role"),
		template("DSQL_HOST_ADDRESS", Text, "", "the address to dial instead of the endpoint").by(ByPlugin),
		template("DSQL_TLS_CA_FILE", Text, "", "certificate authorities to trust instead of the system's").by(ByPlugin),
		template("DSQL_CONNECT_TIMEOUT", Duration, "10s", "one connection's opening").by(ByPlugin),
		template("DSQL_CONNECTION_RATE_LIMIT", Number, "10", "connections opened a second, by this process").by(ByPlugin),
		template("DSQL_CONNECTION_BURST_LIMIT", Whole, "100", "connections opened at once, by this process").by(ByPlugin),
		template("DSQL_STAGGERED_STARTUP", Switch, "true", "whether the first connection waits for a random time").by(ByPlugin),
		template("DSQL_STAGGERED_STARTUP_MAX_DELAY", Duration, "5s", "the longest of these times").by(ByPlugin),
		template("DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED", Switch, "false", "whether all processes also share one limit, counted in DynamoDB").by(ByPlugin),
		template("DSQL_DISTRIBUTED_RATE_LIMITER_TABLE", Text, "", "the table that counts").by(ByPlugin),
		template("DSQL_DISTRIBUTED_RATE_LIMITER_LIMIT", Whole, "100", "connections opened a second, by all processes").by(ByPlugin),
		template("DSQL_WARMUP_MAX_RETRIES", Whole, "5", "attempts per connection while the pool fills").by(ByPlugin),
		template("DSQL_WARMUP_RETRY_BACKOFF", Duration, "200ms", "wait before the second attempt, doubled after each, × 50–150 %").by(ByPlugin),
		template("DSQL_WARMUP_MAX_BACKOFF", Duration, "5s", "the longest of these waits").by(ByPlugin),
		template("DSQL_LIFETIME_JITTER", Number, "0.1", "share of the lifetime over which expiries spread").by(ByPlugin),
		template("DSQL_RESERVOIR", Whole, "0", "connections opened ahead of need").by(ByPlugin),
		template("DSQL_SHARD_FENCE", Text, "for-update", "how a write proves that its shard is still owned").of("for-update", "key-share").by(ByPlugin),
		template("DSQL_REPLAY_LIMIT", Whole, "5", "replays of one transaction after conflicts; 0 switches them off").by(ByPlugin),
	}},
	{"PostgreSQL, on a machine of one's own", []Variable{
		template("POSTGRES_SEEDS", Text, "127.0.0.1", "the host, for `TEMPORAL_PERSISTENCE=postgres` and `TEMPORAL_VISIBILITY=postgres`"),
		template("DB_PORT", Port, "5432", "its port"),
		template("POSTGRES_USER", Text, "postgres", "the user"),
		template("POSTGRES_PWD", Text, "", "the password").secret(),
		template("DBNAME", Text, "temporal", "the database of `TEMPORAL_PERSISTENCE=postgres`"),
		template("SQL_TLS_ENABLED", Switch, "false", "whether to use TLS"),
		template("SQL_CA", Text, "", "file of the certificate authority"),
		template("SQL_HOST_VERIFICATION", Switch, "true", "whether the certificate must name the host"),
		template("SQL_HOST_NAME", Text, "", "the name it must have, where it is not the host"),
	}},
	{"Visibility", []Variable{
		template("TEMPORAL_VISIBILITY", Text, "opensearch", "the visibility store").of("opensearch", "postgres"),
		template("TEMPORAL_OPENSEARCH_HOST", Text, "", "the domain's host name. Needed with `TEMPORAL_VISIBILITY=opensearch`"),
		template("TEMPORAL_OPENSEARCH_PORT", Port, "443", "its port"),
		template("TEMPORAL_OPENSEARCH_SCHEME", Text, "https", "its scheme").of("https", "http"),
		template("TEMPORAL_OPENSEARCH_INDEX", Text, "temporal_visibility_v1", "the index"),
		template("TEMPORAL_OPENSEARCH_SIGNING", Switch, "true", "whether requests are signed with AWS credentials: the task's role, or the SDK's other sources"),
		template("AWS_REGION", Text, "", "the region that requests to OpenSearch are signed for, and that of DSQL where its endpoint names none. ECS sets it"),
		template("TEMPORAL_OPENSEARCH_USERNAME", Text, "", "user, where requests are not signed"),
		template("TEMPORAL_OPENSEARCH_PASSWORD", Text, "", "its password").secret(),
		template("VISIBILITY_POSTGRES_ADDRESS", Text, "<POSTGRES_SEEDS>:<DB_PORT>", "`host:port` of the visibility database"),
		template("VISIBILITY_DBNAME", Text, "temporal_visibility", "the visibility database"),
		template("VISIBILITY_SQL_MAX_CONNS", Whole, "10", "connections to it"),
	}},
	{"TLS between the roles and at the frontend", []Variable{
		template("TEMPORAL_TLS_REQUIRE_CLIENT_AUTH", Switch, "false", "whether callers must show a certificate"),
		template("TEMPORAL_TLS_SERVER_CA_CERT", Text, "", "file: the authority of the roles' and the frontend's certificates"),
		template("TEMPORAL_TLS_SERVER_CERT", Text, "", "file: the certificate of a role"),
		template("TEMPORAL_TLS_SERVER_KEY", Text, "", "file: its key; with it the roles speak TLS with each other"),
		template("TEMPORAL_TLS_SERVER_CA_CERT_DATA", Text, "", "the same authority as base64 of PEM, instead of a file"),
		template("TEMPORAL_TLS_SERVER_CERT_DATA", Text, "", "the same certificate as base64 of PEM"),
		template("TEMPORAL_TLS_SERVER_KEY_DATA", Text, "", "the same key as base64 of PEM").secret(),
		template("TEMPORAL_TLS_INTERNODE_SERVER_NAME", Text, "", "the name that the roles' certificates have"),
		template("TEMPORAL_TLS_INTERNODE_DISABLE_HOST_VERIFICATION", Switch, "false", "whether that name goes unchecked"),
		template("TEMPORAL_TLS_FRONTEND_CERT", Text, "", "file: the certificate that workers and starters see"),
		template("TEMPORAL_TLS_FRONTEND_KEY", Text, "", "file: its key; with it the frontend speaks TLS"),
		template("TEMPORAL_TLS_FRONTEND_CERT_DATA", Text, "", "the same certificate as base64 of PEM"),
		template("TEMPORAL_TLS_FRONTEND_KEY_DATA", Text, "", "the same key as base64 of PEM").secret(),
		template("TEMPORAL_TLS_FRONTEND_SERVER_NAME", Text, "", "the name that the frontend's certificate has, for Temporal's own worker"),
		template("TEMPORAL_TLS_FRONTEND_DISABLE_HOST_VERIFICATION", Switch, "false", "whether that name goes unchecked"),
		template("TEMPORAL_TLS_CLIENT1_CA_CERT", Text, "", "file: an authority of the callers' certificates"),
		template("TEMPORAL_TLS_CLIENT2_CA_CERT", Text, "", "file: another one"),
		template("TEMPORAL_TLS_CLIENT1_CA_CERT_DATA", Text, "", "an authority of the callers' certificates as base64 of PEM"),
		template("TEMPORAL_TLS_CLIENT2_CA_CERT_DATA", Text, "", "another one"),
		template("TEMPORAL_TLS_REFRESH_INTERVAL", Duration, "0s", "how often files are read again; 0 for never"),
		template("TEMPORAL_TLS_EXPIRATION_CHECKS_WARNING_WINDOW", Duration, "0s", "how long before a certificate's end it is warned of"),
		template("TEMPORAL_TLS_EXPIRATION_CHECKS_ERROR_WINDOW", Duration, "0s", "how long before its end that becomes an error"),
		template("TEMPORAL_TLS_EXPIRATION_CHECKS_CHECK_INTERVAL", Duration, "0s", "how often this is looked at; 0 for never"),
	}},
	{"Authorization", []Variable{
		template("TEMPORAL_AUTH_AUTHORIZER", Text, "", "`default` to allow calls by the claims of their token; empty to allow all").of("", "default"),
		template("TEMPORAL_AUTH_CLAIM_MAPPER", Text, "", "`default` to read claims from a JSON Web Token").of("", "default"),
		template("TEMPORAL_JWT_KEY_SOURCE1", Text, "", "URI of a key set that tokens are checked with"),
		template("TEMPORAL_JWT_KEY_SOURCE2", Text, "", "another one"),
		template("TEMPORAL_JWT_KEY_REFRESH", Duration, "1m", "how often the keys are read again"),
		template("TEMPORAL_JWT_AUDIENCE", Text, "", "the audience that a token must name"),
		template("TEMPORAL_JWT_PERMISSIONS_CLAIM", Text, "permissions", "the claim that holds the permissions"),
		template("TEMPORAL_JWT_PERMISSIONS_REGEX", Text, "", "how a permission is taken apart; Temporal's own where empty"),
	}},
}

// Variables are all variables in one list.
func Variables() []Variable {
	var list []Variable
	for _, group := range Groups {
		list = append(list, group.Variables...)
	}
	return list
}

// Problems checks an environment and gives everything that is wrong with it. Pure.
func Problems(env func(string) string) []string {
	var problems []string
	for _, v := range Variables() {
		if value := env(v.Name); value != "" {
			if problem := v.check(value); problem != "" {
				problems = append(problems, v.Name+": "+problem)
			}
		}
	}
	or := func(name string) string {
		if value := env(name); value != "" {
			return value
		}
		return defaultOf(name)
	}
	need := func(name, because string) {
		if env(name) == "" {
			problems = append(problems, name+": is needed "+because)
		}
	}
	if or("TEMPORAL_PERSISTENCE") == "dsql" {
		problems = append(problems, ofPlugin(env, problems)...)
	}
	if or("TEMPORAL_VISIBILITY") == "opensearch" {
		need("TEMPORAL_OPENSEARCH_HOST", "with TEMPORAL_VISIBILITY=opensearch")
		if or("TEMPORAL_OPENSEARCH_SIGNING") == "true" {
			need("AWS_REGION", "with TEMPORAL_OPENSEARCH_SIGNING=true")
		}
	}
	return append(problems, pairs(env)...)
}

// ofPlugin gives what the plugin would refuse when it opens its first store, but for variables that are told already.
func ofPlugin(env func(string) string, told []string) (problems []string) {
	_, err := settings.Load(func(name string) (string, bool) { return env(name), env(name) != "" })
	var refused *settings.ProblemsError
	if !errors.As(err, &refused) {
		return nil
	}
	for _, p := range refused.Problems {
		if slices.ContainsFunc(told, func(text string) bool { return strings.HasPrefix(text, p.Variable+": ") }) {
			continue
		}
		if p.Value == "" {
			problems = append(problems, fmt.Sprintf("%s: is not set; expected %s", p.Variable, p.Want))
		} else {
			problems = append(problems, fmt.Sprintf("%s: expected %s, not %q", p.Variable, p.Want, p.Value))
		}
	}
	return problems
}

// pairs finds what Temporal takes only one of, or only both of.
func pairs(env func(string) string) (problems []string) {
	for _, pair := range [][2]string{
		{"TEMPORAL_TLS_SERVER_CERT", "TEMPORAL_TLS_SERVER_KEY"},
		{"TEMPORAL_TLS_SERVER_CERT_DATA", "TEMPORAL_TLS_SERVER_KEY_DATA"},
		{"TEMPORAL_TLS_FRONTEND_CERT", "TEMPORAL_TLS_FRONTEND_KEY"},
		{"TEMPORAL_TLS_FRONTEND_CERT_DATA", "TEMPORAL_TLS_FRONTEND_KEY_DATA"},
	} {
		if (env(pair[0]) == "") != (env(pair[1]) == "") {
			problems = append(problems, fmt.Sprintf("%s and %s: both or none were expected", pair[0], pair[1]))
		}
	}
	for _, v := range Variables() {
		if base, ok := strings.CutSuffix(v.Name, "_DATA"); ok && env(v.Name) != "" && env(base) != "" {
			problems = append(problems, fmt.Sprintf("%s and %s: one of them was expected, not both", base, v.Name))
		}
	}
	return problems
}

func (v Variable) check(value string) string {
	var err error
	switch v.Kind {
	case Whole:
		if n, e := strconv.Atoi(value); e != nil || n < 0 {
			return fmt.Sprintf("a whole number was expected, not %q", value)
		}
	case Number:
		if n, e := strconv.ParseFloat(value, 64); e != nil || !(n >= 0) {
			return fmt.Sprintf("a number was expected, not %q", value)
		}
	case Port:
		if n, e := strconv.Atoi(value); e != nil || n < 1 || n > 65535 {
			return fmt.Sprintf("a port from 1 to 65535 was expected, not %q", value)
		}
	case Switch:
		if value != "true" && value != "false" {
			return fmt.Sprintf("true or false was expected, not %q", value)
		}
	case Duration:
		if d, e := time.ParseDuration(value); e != nil || d < 0 {
			return fmt.Sprintf("a duration such as 30s was expected, not %q", value)
		}
	case IP:
		if _, err = netip.ParseAddr(value); err != nil {
			return fmt.Sprintf("an IP address was expected, not %q", value)
		}
	}
	if len(v.Of) > 0 && !slices.Contains(v.Of, value) {
		return fmt.Sprintf("%s was expected, not %q", strings.Join(quoted(v.Of), " or "), value)
	}
	return ""
}

func quoted(values []string) (list []string) {
	for _, value := range values {
		if value != "" {
			list = append(list, value)
		}
	}
	return list
}

func defaultOf(name string) string {
	for _, v := range Variables() {
		if v.Name == name {
			return v.Default
		}
	}
	panic("no such variable: " + name)
}

// Reference prints docs/reference/server-environment.md.
func Reference() string {
	var text strings.Builder
	text.WriteString("# The server's environment\n\n")
	text.WriteString("Written by `auroral-server variables`; a test compares it with `images/server/config/auroral.yaml`. A variable set to nothing counts as not set.\n")
	text.WriteString("Durations are Go's: `200ms`, `30s`, `55m`.\n")
	for _, group := range Groups {
		fmt.Fprintf(&text, "\n## %s\n\n| variable | meaning | value | default | read by |\n| --- | --- | --- | --- | --- |\n", group.Title)
		for _, v := range group.Variables {
			fmt.Fprintf(&text, "| `%s` | %s | %s | %s | %s |\n", v.Name, v.Meaning, v.valueText(), v.defaultText(), v.Reader)
		}
	}
	return text.String()
}

func (v Variable) valueText() string {
	text := string(v.Kind)
	if values := quoted(v.Of); len(values) > 0 {
		text = "`" + strings.Join(values, "`, `") + "`"
	}
	if v.Secret {
		text += "; secret"
	}
	return text
}

func (v Variable) defaultText() string {
	if v.Default == "" {
		return "none"
	}
	return "`" + v.Default + "`"
}
