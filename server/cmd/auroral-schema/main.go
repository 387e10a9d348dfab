// Command auroral-schema owns Temporal's schema on Aurora DSQL: set up, update, status, roles, and the check of the shard fence.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app := app{stdout: os.Stdout, stderr: os.Stderr, env: os.LookupEnv}
	os.Exit(app.process(ctx, os.Args[1:]))
}
