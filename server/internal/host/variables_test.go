package host

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"auroral/server/internal/settings"
)

const (
	shippedTemplate = "../../../images/server/config/auroral.yaml"
	shippedDynamic  = "../../../images/server/dynamicconfig/dsql.yaml"
	reference       = "../../../docs/reference/server-environment.md"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func envOf(pairs ...string) func(string) string {
	values := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return values[name] }
}

var complete = []string{"DSQL_ENDPOINT", "x.dsql.eu-west-1.on.aws", "TEMPORAL_OPENSEARCH_HOST", "search.example", "AWS_REGION", "eu-west-1"}

func TestTheTemplateReadsExactlyTheDocumentedVariables(t *testing.T) {
	var read_, documented []string
	for _, match := range regexp.MustCompile(`env "([A-Z0-9_]+)"`).FindAllStringSubmatch(read(t, shippedTemplate), -1) {
		read_ = append(read_, match[1])
	}
	slices.Sort(read_)
	for _, v := range Variables() {
		if v.Reader == ByTemplate {
			documented = append(documented, v.Name)
		}
	}
	slices.Sort(documented)
	require.Equal(t, slices.Compact(read_), documented)
}

func TestTheDocumentedDefaultsAreTheTemplates(t *testing.T) {
	text := read(t, shippedTemplate)
	for _, v := range Variables() {
		if v.Reader != ByTemplate || strings.Contains(v.Default, "<") || v.Name == "USE_INTERNAL_FRONTEND" {
			continue // a default made of other variables; a switch that is compared
		}
		for _, match := range regexp.MustCompile(`default "([^"]*)" \(env "`+v.Name+`"\)`).FindAllStringSubmatch(text, -1) {
			require.Equal(t, v.Default, match[1], v.Name)
		}
		if v.Default != "" {
			require.Contains(t, text, `default "`+v.Default+`" (env "`+v.Name+`")`)
		}
	}
}

func TestTheReferenceIsTheOneInDocs(t *testing.T) {
	require.Equal(t, Reference(), read(t, reference), "run: go run ./cmd/auroral-server variables > ../docs/reference/server-environment.md")
}

func TestACompleteEnvironmentHasNoProblem(t *testing.T) {
	require.Empty(t, Problems(envOf(complete...)))
	require.Empty(t, Problems(envOf("TEMPORAL_PERSISTENCE", "postgres", "TEMPORAL_VISIBILITY", "postgres")))
	for _, v := range Variables() {
		if v.Default != "" && !strings.Contains(v.Default, "<") {
			require.Empty(t, v.check(v.Default), v.Name)
		}
	}
}

func TestEveryProblemIsToldAtOnce(t *testing.T) {
	problems := strings.Join(Problems(envOf(
		"FRONTEND_GRPC_PORT", "70000", "BIND_ON_IP", "localhost", "NUM_HISTORY_SHARDS", "many", "LOG_LEVEL", "loud",
		"TEMPORAL_JWT_KEY_REFRESH", "1 minute", "TEMPORAL_TLS_REQUIRE_CLIENT_AUTH", "yes", "DSQL_LIFETIME_JITTER", "NaN",
		"TEMPORAL_TLS_FRONTEND_KEY", "/key", "TEMPORAL_TLS_SERVER_CERT", "/cert", "TEMPORAL_TLS_SERVER_CERT_DATA", "abc",
	)), "\n")
	for _, part := range []string{
		"FRONTEND_GRPC_PORT: a port", "BIND_ON_IP: an IP address", "NUM_HISTORY_SHARDS: a whole number", "LOG_LEVEL: debug or info or warn or error",
		"TEMPORAL_JWT_KEY_REFRESH: a duration", "TEMPORAL_TLS_REQUIRE_CLIENT_AUTH: true or false", "DSQL_LIFETIME_JITTER: a number",
		"DSQL_ENDPOINT: is not set", "TEMPORAL_OPENSEARCH_HOST: is needed", "AWS_REGION: is needed",
		"TEMPORAL_TLS_FRONTEND_CERT and TEMPORAL_TLS_FRONTEND_KEY: both", "TEMPORAL_TLS_SERVER_CERT and TEMPORAL_TLS_SERVER_CERT_DATA: one",
	} {
		require.Contains(t, problems, part)
	}
}

func TestServices(t *testing.T) {
	for name, want := range map[string]struct {
		options  Options
		services []string
	}{
		"the flag wins":     {Options{Services: "history", Env: envOf("TEMPORAL_SERVICES", "worker")}, []string{"history"}},
		"then our variable": {Options{Env: envOf("TEMPORAL_SERVICES", "worker, history,worker", "SERVICES", "frontend")}, []string{"worker", "history"}},
		"then the image's":  {Options{Env: envOf("SERVICES", "internal-frontend")}, []string{"internal-frontend"}},
		"all otherwise":     {Options{Env: envOf()}, []string{"frontend", "history", "matching", "worker"}},
	} {
		services, err := Services(want.options)
		require.NoError(t, err, name)
		require.Equal(t, want.services, services, name)
	}
	for _, text := range []string{"histroy", ","} {
		_, err := Services(Options{Services: text, Env: envOf()})
		require.Equal(t, ExitUsage, CodeOf(err), text)
	}
}

func TestStopTimeout(t *testing.T) {
	timeout, err := StopTimeout(Options{Env: envOf()})
	require.NoError(t, err)
	require.Equal(t, "1m40s", timeout.String())
	for _, text := range []string{"0s", "soon", "-1s"} {
		_, err := StopTimeout(Options{Env: envOf("AURORAL_STOP_TIMEOUT", text)})
		require.Equal(t, ExitUsage, CodeOf(err), text)
	}
}

func TestThePluginsVariablesAreTheDocumentedOnes(t *testing.T) {
	var asked, documented []string
	_, err := settings.Load(func(name string) (string, bool) {
		asked = append(asked, name)
		return envOf(complete...)(name), true
	})
	require.NoError(t, err)
	for _, v := range Variables() {
		documented = append(documented, v.Name)
		if v.Reader == ByPlugin {
			require.Contains(t, asked, v.Name)
		}
	}
	require.Subset(t, documented, asked)
}

func TestThePluginsDefaultsAreTheDocumentedOnes(t *testing.T) {
	standard, err := settings.Load(lookup(envOf(complete...)))
	require.NoError(t, err)
	written := slices.Clone(complete)
	for _, v := range Variables() {
		if v.Default != "" && !strings.Contains(v.Default, "<") {
			written = append(written, v.Name, v.Default)
		}
	}
	explicit, err := settings.Load(lookup(envOf(written...)))
	require.NoError(t, err)
	require.Equal(t, standard, explicit)
}

func TestWhatThePluginRefusesIsToldOnceAndWithTheRest(t *testing.T) {
	problems := Problems(envOf(append(complete, "TEMPORAL_SQL_MAX_CONNS", "40", "TEMPORAL_SQL_MAX_IDLE_CONNS", "10",
		"DSQL_WARMUP_MAX_RETRIES", "0", "DSQL_PORT", "many", "LOG_LEVEL", "loud")...))
	require.Len(t, problems, 4)
	for i, name := range []string{"LOG_LEVEL", "DSQL_PORT", "DSQL_WARMUP_MAX_RETRIES", "TEMPORAL_SQL_MAX_IDLE_CONNS"} {
		require.True(t, strings.HasPrefix(problems[i], name+": "), problems[i])
	}
	require.Empty(t, Problems(envOf("TEMPORAL_PERSISTENCE", "postgres", "TEMPORAL_VISIBILITY", "postgres", "TEMPORAL_SQL_MAX_IDLE_CONNS", "10")))
}

func lookup(env func(string) string) func(string) (string, bool) {
	return func(name string) (string, bool) { return env(name), env(name) != "" }
}
