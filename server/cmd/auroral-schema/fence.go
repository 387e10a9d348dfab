package main

import (
	"context"
	"fmt"
	"strings"

	"auroral/server/internal/fence"
)

func (a app) verifyFence(ctx context.Context, args []string) error {
	set := a.flags("verify-fence", "Decide whether a shard fence keeps an old owner from writing on this database. Makes tables of its own and drops them.")
	target := a.addTarget(set)
	var names []string
	for _, kind := range fence.Kinds {
		names = append(names, string(kind))
	}
	chosen, _ := a.env("DSQL_SHARD_FENCE")
	name := set.String("fence", chosen, "the fence that has to hold: "+strings.Join(names, " or ")+" (DSQL_SHARD_FENCE); else "+names[0])
	if err := set.parse(args); err != nil {
		return err
	}
	kind, err := fence.ParseKind(*name)
	if err != nil {
		return usageError{"--fence: " + err.Error()}
	}
	c, err := target.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	verdict, err := fence.Verify(ctx, c.open, a.report)
	if err != nil {
		return err
	}
	for _, k := range fence.Kinds {
		if _, err := fmt.Fprintf(a.stdout, "%s: %s\n", k, verdict[k]); err != nil {
			return err
		}
	}
	if !verdict.Holds(kind) {
		return problem("the fence %s does not hold on this database: %s; set DSQL_SHARD_FENCE to one that does, or keep the servers off it", kind, verdict[kind].Why)
	}
	return nil
}
