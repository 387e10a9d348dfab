// Package host is the process around the server: configuration, address, health, start and drain.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
	"go.temporal.io/server/temporal"

	"auroral/server/internal/limits"
)

// Where the image keeps its files.
const (
	DefaultConfigFile        = "/etc/auroral/config/auroral.yaml"
	DefaultDynamicConfigFile = "/etc/auroral/dynamicconfig/dsql.yaml"
)

// UsageError is a configuration that cannot be used; its text names every problem.
type UsageError struct{ Text string }

// Error gives the text.
func (e *UsageError) Error() string { return e.Text }

// Options say what to run. Empty fields are taken from the environment.
type Options struct {
	ConfigFile string
	Services   string // separated by commas
	Env        func(string) string
}

func (o Options) get(name string) string {
	if value := o.Env(name); value != "" {
		return value
	}
	return defaultOf(name)
}

// Services gives the roles of this task, checked.
func Services(o Options) ([]string, error) {
	text := o.Services
	for _, other := range []string{o.Env("TEMPORAL_SERVICES"), o.Env("SERVICES"), defaultOf("TEMPORAL_SERVICES")} {
		if text == "" {
			text = other
		}
	}
	var services []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" || slices.Contains(services, name) {
			continue
		}
		if !slices.Contains(temporal.Services, name) {
			return nil, &UsageError{fmt.Sprintf("services: one of %s was expected, not %q", strings.Join(temporal.Services, ", "), name)}
		}
		services = append(services, name)
	}
	if len(services) == 0 {
		return nil, &UsageError{fmt.Sprintf("services: at least one of %s was expected", strings.Join(temporal.Services, ", "))}
	}
	return services, nil
}

// StopTimeout gives the longest time that a drain may take.
func StopTimeout(o Options) (time.Duration, error) {
	timeout, err := time.ParseDuration(o.get("AURORAL_STOP_TIMEOUT"))
	if err != nil || timeout <= 0 {
		return 0, &UsageError{fmt.Sprintf("AURORAL_STOP_TIMEOUT: a duration above 0 was expected, not %q", o.get("AURORAL_STOP_TIMEOUT"))}
	}
	return timeout, nil
}

// Load renders the template with this process's environment, after checking it.
func Load(o Options) (*config.Config, error) {
	if problems := Problems(o.Env); len(problems) > 0 {
		return nil, &UsageError{"the environment cannot be used:\n  " + strings.Join(problems, "\n  ")}
	}
	file := o.ConfigFile
	if file == "" {
		file = o.get("TEMPORAL_SERVER_CONFIG_FILE_PATH")
	}
	// The loader tells its progress in lines of its own form, which would stand between those of the log.
	stdlog.SetOutput(io.Discard)
	cfg, err := config.Load(config.WithConfigFile(file))
	stdlog.SetOutput(os.Stderr)
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	if err := cfg.Validate(); err != nil {
		return nil, &UsageError{fmt.Sprintf("%s: %v", file, err)}
	}
	return cfg, nil
}

// CheckLimits refuses a dynamic configuration that allows more than DSQL holds. Other stores are not looked at.
func CheckLimits(cfg *config.Config) error {
	store := cfg.Persistence.DataStores[cfg.Persistence.DefaultStore].SQL
	if store == nil || store.PluginName != "dsql" {
		return nil
	}
	var values dynamicconfig.ConfigValueMap
	if cfg.DynamicConfigClient != nil {
		text, err := os.ReadFile(cfg.DynamicConfigClient.Filepath)
		if err != nil {
			return &UsageError{fmt.Sprintf("the dynamic configuration cannot be read (DYNAMIC_CONFIG_FILE_PATH): %v", err)}
		}
		loaded := dynamicconfig.LoadYamlFile(text)
		if err := loaded.Err(); err != nil {
			return &UsageError{fmt.Sprintf("%s: %v", cfg.DynamicConfigClient.Filepath, err)}
		}
		values = loaded.Map
	}
	if problems := limits.Check(values); len(problems) > 0 {
		return &UsageError{limits.Text(problems)}
	}
	return nil
}

// Broadcast finds the address that peers are told, logs how, and sets it in the configuration.
func Broadcast(ctx context.Context, o Options, cfg *config.Config, logger log.Logger) error {
	facts := AddressFacts{Given: cfg.Global.Membership.BroadcastAddress, Bind: o.get("BIND_ON_IP"), Interfaces: interfaces()}
	if uri := o.Env("ECS_CONTAINER_METADATA_URI_V4"); uri != "" && facts.Given == "" {
		facts.Metadata, facts.MetadataErr = NewMetadata(uri).TaskIP(ctx)
	}
	address, err := ChooseAddress(facts)
	if err != nil {
		return &UsageError{err.Error()}
	}
	tags := []tag.Tag{tag.NewStringTag("ip", address.IP), tag.NewStringTag("origin", string(address.Origin))}
	if address.Doubt {
		logger.Warn(address.Text, tags...)
	} else {
		logger.Info(address.Text, tags...)
	}
	cfg.Global.Membership.BroadcastAddress = address.IP
	return nil
}

// CodeOf gives the exit code of an error.
func CodeOf(err error) int {
	var usage *UsageError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &usage):
		return ExitUsage
	}
	return ExitUnreachable
}
