// Command auroral-server runs Temporal Server on Aurora DSQL.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // schedules name time zones; the image has none of its own

	"github.com/urfave/cli/v2"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/log"

	"auroral/server/internal/host"
)

// version is set when the image is built.
var version = "development"

func main() {
	os.Exit(run(os.Args))
}

func run(arguments []string) int {
	code := host.ExitDone
	give := func(action func(*cli.Context) (int, error)) cli.ActionFunc {
		return func(c *cli.Context) error {
			if c.Args().Len() > 0 {
				return &host.UsageError{Text: fmt.Sprintf("%s takes no argument, only flags: %s", c.Command.Name, c.Args().First())}
			}
			var err error
			code, err = action(c)
			return err
		}
	}
	configFlag := &cli.StringFlag{Name: "config", Usage: "the configuration's `FILE` (TEMPORAL_SERVER_CONFIG_FILE_PATH)"}
	servicesFlag := &cli.StringFlag{Name: "services", Usage: "`ROLES` of this task, separated by commas (TEMPORAL_SERVICES)"}
	app := &cli.App{
		Name: "auroral-server", Usage: "Temporal Server on Aurora DSQL", HideVersion: true, ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return &host.UsageError{Text: err.Error()} },
		Action: func(c *cli.Context) error {
			if c.Args().Len() > 0 {
				return &host.UsageError{Text: fmt.Sprintf("no such command: %s; see auroral-server help", c.Args().First())}
			}
			return cli.ShowAppHelp(c)
		},
		Commands: []*cli.Command{
			{Name: "run", Usage: "run the roles of this task until SIGTERM", Flags: []cli.Flag{configFlag, servicesFlag}, Action: give(serve)},
			{Name: "health", Usage: "ask the roles of this task for their health; exit 0 or 1", Action: give(health), Flags: []cli.Flag{
				configFlag, &cli.StringFlag{Name: "service", Usage: "ask this `ROLE` only"},
				&cli.DurationFlag{Name: "timeout", Value: 4 * time.Second, Usage: "of all checks together"},
			}},
			{Name: "render", Usage: "print the rendered configuration, secrets masked", Flags: []cli.Flag{configFlag, servicesFlag}, Action: give(render)},
			{Name: "start-period", Usage: "print for how many seconds failed health checks must not count", Flags: startPeriodFlags, Action: give(startPeriod)},
			{Name: "variables", Usage: "print the reference of the environment's variables", Action: give(func(*cli.Context) (int, error) {
				fmt.Print(host.Reference())
				return host.ExitDone, nil
			})},
			{Name: "version", Usage: "print the versions", Action: give(func(*cli.Context) (int, error) {
				fmt.Printf("auroral-server %s, Temporal %s, %s %s/%s\n", version, headers.ServerVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return host.ExitDone, nil
			})},
		},
	}
	for _, command := range app.Commands {
		command.OnUsageError = app.OnUsageError
	}
	if err := app.Run(arguments); err != nil {
		fmt.Fprintln(os.Stderr, "auroral-server: "+strings.TrimRight(err.Error(), "\n"))
		if code == host.ExitDone {
			code = host.CodeOf(err)
		}
	}
	return code
}

func options(c *cli.Context) host.Options {
	return host.Options{ConfigFile: c.String("config"), Services: c.String("services"), Env: os.Getenv}
}

func serve(c *cli.Context) (int, error) {
	o := options(c)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	services, err := host.Services(o)
	timeout, timeoutErr := host.StopTimeout(o)
	if err = errors.Join(err, timeoutErr); err != nil {
		return host.CodeOf(err), err
	}
	cfg, err := host.Load(o)
	if err == nil {
		err = host.CheckLimits(cfg)
	}
	if err != nil {
		return host.CodeOf(err), err
	}
	logger := log.NewZapLogger(log.BuildZapLogger(cfg.Log))
	life := host.Life{
		Build: func() (host.Process, error) {
			if err := host.Broadcast(c.Context, o, cfg, logger); err != nil {
				return nil, err
			}
			return host.Build(cfg, services, logger)
		},
		Signals: signals, StopTimeout: timeout, After: time.After,
		Say: func(text string) { logger.Info(text) },
	}
	return life.Run(), nil
}

func health(c *cli.Context) (int, error) {
	o := options(c)
	o.Services = c.String("service")
	services, err := host.Services(o)
	if err != nil {
		return host.CodeOf(err), err
	}
	cfg, err := host.Load(o)
	if err != nil {
		return host.CodeOf(err), err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	var problems []error
	for _, service := range services {
		problems = append(problems, host.Health(ctx, cfg, service))
	}
	if err := errors.Join(problems...); err != nil {
		return host.ExitUnhealthy, err
	}
	return host.ExitDone, nil
}

func render(c *cli.Context) (int, error) {
	o := options(c)
	if _, err := host.Services(o); err != nil {
		return host.CodeOf(err), err
	}
	cfg, err := host.Load(o)
	if err != nil {
		return host.CodeOf(err), err
	}
	if err := host.Broadcast(c.Context, o, cfg, log.NewZapLogger(log.BuildZapLogger(log.Config{Format: "json", Level: "info"}))); err != nil {
		return host.CodeOf(err), err
	}
	fmt.Print(cfg.String())
	return host.ExitDone, nil
}

var startPeriodFlags = []cli.Flag{
	&cli.IntFlag{Name: "connections", Value: 50, EnvVars: []string{"TEMPORAL_SQL_MAX_CONNS"}, Usage: "connections of the pool"},
	&cli.Float64Flag{Name: "rate", Value: 10, EnvVars: []string{"DSQL_CONNECTION_RATE_LIMIT"}, Usage: "connections opened a second"},
	&cli.IntFlag{Name: "burst", Value: 100, EnvVars: []string{"DSQL_CONNECTION_BURST_LIMIT"}, Usage: "connections opened at once"},
	&cli.DurationFlag{Name: "latency", Value: 250 * time.Millisecond, Usage: "opening one connection"},
	&cli.DurationFlag{Name: "stagger", Value: 5 * time.Second, EnvVars: []string{"DSQL_STAGGERED_STARTUP_MAX_DELAY"}, Usage: "longest random delay before the first"},
	&cli.DurationFlag{Name: "margin", Value: time.Minute, Usage: "the rest of a start: schema check, membership, shards, retries"},
}

func startPeriod(c *cli.Context) (int, error) {
	period, err := host.StartPeriod(host.Warmup{
		Connections: c.Int("connections"), RatePerS: c.Float64("rate"), Burst: c.Int("burst"),
		Latency: c.Duration("latency"), StaggerMax: c.Duration("stagger"), Margin: c.Duration("margin"),
	})
	if err != nil {
		return host.ExitUsage, err
	}
	fmt.Println(int(period.Seconds()))
	return host.ExitDone, nil
}
