package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/primitives"
)

func primitivesName(role string) primitives.ServiceName { return primitives.ServiceName(role) }

// load renders the shipped template with these variables and no others.
func load(t *testing.T, pairs ...string) (*config.Config, error) {
	t.Helper()
	for _, v := range Variables() {
		t.Setenv(v.Name, "")
	}
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
	return Load(Options{ConfigFile: shippedTemplate, Env: os.Getenv})
}

func TestTheDefaultIsDSQLAndOpenSearch(t *testing.T) {
	cfg, err := load(t, complete...)
	require.NoError(t, err)
	store := cfg.Persistence.DataStores["default"].SQL
	require.Equal(t, "dsql", store.PluginName)
	require.Equal(t, "x.dsql.eu-west-1.on.aws:5432", store.ConnectAddr)
	require.Equal(t, 50, store.MaxConns)
	require.Equal(t, 50, store.MaxIdleConns)
	require.Equal(t, 55*time.Minute, store.MaxConnLifetime)
	search := cfg.Persistence.DataStores["visibility"].Elasticsearch
	require.True(t, search.AWSRequestSigning.Enabled)
	require.Equal(t, "eu-west-1", search.AWSRequestSigning.Region)
	require.Equal(t, "https://search.example:443", search.URL.String())
}

func TestValuesCannotBreakOutOfTheirPlace(t *testing.T) {
	odd := "a\"b: #c\\d\n\te"
	cfg, err := load(t, "TEMPORAL_PERSISTENCE", "postgres", "TEMPORAL_VISIBILITY", "postgres", "POSTGRES_PWD", odd)
	require.NoError(t, err)
	require.Equal(t, odd, cfg.Persistence.DataStores["default"].SQL.Password)
	require.Equal(t, odd, cfg.Persistence.DataStores["visibility"].SQL.Password)
	require.NotContains(t, cfg.String(), "#c")
}

func TestLoadFails(t *testing.T) {
	_, err := load(t)
	require.Equal(t, ExitUsage, CodeOf(err))
	_, err = Load(Options{ConfigFile: "/nowhere.yaml", Env: envOf(complete...)})
	require.Equal(t, ExitUsage, CodeOf(err))
}

func TestLimitsAreCheckedForDSQLOnly(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))

	cfg, err := load(t, append(complete, "DYNAMIC_CONFIG_FILE_PATH", shippedDynamic)...)
	require.NoError(t, err)
	require.NoError(t, CheckLimits(cfg))

	cfg.DynamicConfigClient.Filepath = empty
	err = CheckLimits(cfg)
	require.Equal(t, ExitUsage, CodeOf(err))
	require.ErrorContains(t, err, "limit.blobSize.error:\n  - value: ")
	require.ErrorContains(t, err, "limit.maxIDLength:\n  - value: 222")

	cfg.DynamicConfigClient = nil
	require.ErrorContains(t, CheckLimits(cfg), "limit.blobSize.error", "Temporal's defaults hold then")

	cfg.DynamicConfigClient = &dynamicconfig.FileBasedClientConfig{Filepath: "/nowhere.yaml"}
	require.ErrorContains(t, CheckLimits(cfg), "DYNAMIC_CONFIG_FILE_PATH")

	cfg, err = load(t, "TEMPORAL_PERSISTENCE", "postgres", "TEMPORAL_VISIBILITY", "postgres", "DYNAMIC_CONFIG_FILE_PATH", empty)
	require.NoError(t, err)
	require.NoError(t, CheckLimits(cfg))
}

// How long each role's drain lasts at most, from service/<role>/service.go of the server: its own waits, then what its gRPC
// server gets for open calls.
func TestTheShippedDrainsEndBeforeTheStopTimeout(t *testing.T) {
	loaded := dynamicconfig.LoadYamlFile([]byte(read(t, shippedDynamic)))
	require.Empty(t, loaded.Warnings)
	of := func(key string) time.Duration {
		values := loaded.Map[dynamicconfig.MakeKey(key)]
		require.Len(t, values, 1, key)
		d, err := time.ParseDuration(values[0].Value.(string))
		require.NoError(t, err)
		return d
	}
	stop, err := StopTimeout(Options{Env: envOf()})
	require.NoError(t, err)
	require.LessOrEqual(t, stop, 110*time.Second, "ECS kills after 120 s")
	for role, drain := range map[string]time.Duration{
		"frontend": of("frontend.shutdownFailHealthCheckDuration") + of("frontend.shutdownDrainDuration"),
		"history":  of("history.shutdownDrainDuration") + 2*time.Second,
		"matching": of("matching.shutdownDrainDuration") + 2*time.Second,
	} {
		require.Less(t, drain+30*time.Second, stop, role)
	}
}

func TestTheTemplateIsOne(t *testing.T) {
	head := read(t, shippedTemplate)[:1024]
	require.True(t, strings.HasPrefix(head, "# enable-template\n"))
}
