package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"auroral/server/internal/schema"
)

// problem is a database that a command cannot start from.
func problem(format string, args ...any) error {
	return &schema.CheckError{Problems: []string{fmt.Sprintf(format, args...)}}
}

// embedded reads the schema that this program was built with, and plans its set-up. The tests run both, so that an error here is a bug.
func embedded() (schema.Source, schema.Plan, error) {
	source, err := schema.Embedded()
	if err != nil {
		return source, schema.Plan{}, bugError{err}
	}
	plan, err := schema.SetupPlan(source)
	if err != nil {
		return source, plan, bugError{err}
	}
	return source, plan, nil
}

func (a app) runner(c *connection, indexMax time.Duration) *schema.Runner {
	return &schema.Runner{DB: c.db, Dialect: c.dialect, Report: a.report, Sleep: schema.Sleep, Rand: rand.Float64, IndexMax: indexMax}
}

// planFlags are those of setup and update.
type planFlags struct {
	dryRun   *bool
	indexMax *time.Duration
}

func addPlanFlags(set commandFlags) planFlags {
	return planFlags{
		set.Bool("dry-run", false, "print the statements and change nothing"),
		set.Duration("index-timeout", schema.DefaultIndexMax, "how long to wait for indexes that are built asynchronously"),
	}
}

func (a app) setup(ctx context.Context, args []string) error {
	set := a.flags("setup", "Make Temporal's schema in an empty database. A run that was killed is resumed by the next one.")
	target := a.addTarget(set)
	flags := addPlanFlags(set)
	if err := set.parse(args); err != nil {
		return err
	}
	source, whole, err := embedded()
	if err != nil {
		return err
	}
	if *flags.dryRun {
		_, err := fmt.Fprint(a.stdout, whole.Script(target.dialect()))
		return err
	}
	c, err := target.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	catalog, installed, err := a.readInstalled(ctx, c)
	if err != nil {
		return err
	}
	newest := source.Newest().Version.String()
	plan, err := schema.PlanFor(source, installed)
	if err != nil {
		return err
	}
	if installed.Version != "" && installed.Version != newest {
		return problem("expected an empty database or version %s, found %s; run auroral-schema update", newest, installed.Version)
	}
	return a.carryOut(ctx, c, catalog, installed, plan, newest, *flags.indexMax)
}

func (a app) update(ctx context.Context, args []string) error {
	set := a.flags("update", "Bring an older schema to the version of this program, release by release, and grant the roles that exist what is new.")
	target := a.addTarget(set)
	flags := addPlanFlags(set)
	from := set.String("from", "", "with --dry-run: the version to start from, instead of asking the database")
	if err := set.parse(args); err != nil {
		return err
	}
	source, _, err := embedded()
	if err != nil {
		return err
	}
	if *from != "" {
		if !*flags.dryRun {
			return usageError{"expected --from with --dry-run only: an update starts from the version in the database"}
		}
		version, err := schema.ParseVersion(*from)
		if err != nil {
			return usageError{"--from: " + err.Error()}
		}
		plan, err := schema.PlanFor(source, schema.Installed{Version: version.String()})
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(a.stdout, plan.Script(target.dialect()))
		return err
	}
	c, err := target.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	catalog, installed, err := a.readInstalled(ctx, c)
	if err != nil {
		return err
	}
	if installed.Version == "" {
		return problem("expected an older schema in database %s, found none or an unfinished set-up; run auroral-schema setup", installed.Database)
	}
	plan, err := schema.PlanFor(source, installed)
	if err != nil {
		return err
	}
	if *flags.dryRun {
		_, err = fmt.Fprint(a.stdout, plan.Script(c.dialect))
		return err
	}
	return a.carryOut(ctx, c, catalog, installed, plan, source.Newest().Version.String(), *flags.indexMax)
}

func (a app) readInstalled(ctx context.Context, c *connection) (catalog schema.Catalog, installed schema.Installed, err error) {
	err = a.runner(c, 0).Try(ctx, "read the installed version", func() (err error) {
		if catalog, err = schema.ReadCatalog(ctx, c.db); err == nil {
			installed, err = schema.ReadInstalled(ctx, c.db, catalog)
		}
		return err
	})
	return catalog, installed, err
}

func (a app) readAccess(ctx context.Context, c *connection) (access schema.Access, err error) {
	err = a.runner(c, 0).Try(ctx, "read roles and grants", func() (err error) {
		access, err = schema.ReadAccess(ctx, c.db, c.dialect)
		return err
	})
	return access, err
}

// carryOut runs a plan, unless all of it is there, and then grants the roles that exist what they lack.
func (a app) carryOut(
	ctx context.Context, c *connection, catalog schema.Catalog, installed schema.Installed, plan schema.Plan, newest string, indexMax time.Duration,
) error {
	runner := a.runner(c, indexMax)
	if problems := slices.Concat(catalog.Differences(plan.After), catalog.InvalidIndexes(), catalog.KeyTypeProblems()); installed.Version == newest && len(problems) == 0 {
		a.report("schema " + newest + " is there already")
	} else {
		a.report(plan.Name)
		if err := runner.Run(ctx, plan); err != nil {
			return err
		}
	}
	access, err := a.readAccess(ctx, c)
	if err != nil {
		return err
	}
	if err := runner.Grant(ctx, schema.UpgradeGrants(access, plan.TableNames())); err != nil {
		return err
	}
	a.report(fmt.Sprintf("done: schema %s in database %s", newest, installed.Database))
	return nil
}

func addARNs(set commandFlags) *schema.ARNs {
	var arns schema.ARNs
	set.Var((*repeated)(&arns.Server), "server-arn", "ARN of an IAM role that enters as "+schema.ServerRole+"; may be repeated")
	set.Var((*repeated)(&arns.Operator), "operator-arn", "ARN of an IAM role that enters as "+schema.OperatorRole+"; may be repeated")
	return &arns
}

func (a app) roles(ctx context.Context, args []string) error {
	set := a.flags("roles", "Create the database roles "+schema.ServerRole+" and "+schema.OperatorRole+", map them to IAM principals and grant what they lack.\n"+
		"Run it after setup. Mappings that are not named stay.")
	target := a.addTarget(set)
	arns := addARNs(set)
	dryRun := set.Bool("dry-run", false, "print the statements and change nothing")
	if err := set.parse(args); err != nil {
		return err
	}
	if err := arns.Check(); err != nil {
		return usageError{err.Error()}
	}
	source, whole, err := embedded()
	if err != nil {
		return err
	}
	if *dryRun {
		for _, grant := range schema.Grants(nil, whole.TableNames(), *arns, target.dialect()) {
			if _, err := fmt.Fprintf(a.stdout, "%s;\n", grant.SQL); err != nil {
				return err
			}
		}
		return nil
	}
	c, err := target.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	_, installed, err := a.readInstalled(ctx, c)
	if err != nil {
		return err
	}
	if newest := source.Newest().Version.String(); installed.Version != newest {
		return problem("expected schema version %s before roles are granted its tables, found %s; run auroral-schema setup or update",
			newest, orNone(installed.Version))
	}
	access, err := a.readAccess(ctx, c)
	if err != nil {
		return err
	}
	grants := schema.Grants(&access, whole.TableNames(), *arns, c.dialect)
	if err := a.runner(c, 0).Grant(ctx, grants); err != nil {
		return err
	}
	a.report(fmt.Sprintf("done: %d statements", len(grants)))
	if c.dialect == schema.DSQL {
		for _, role := range arns.Unmapped(access) {
			a.report("note: " + role + " is mapped to no IAM principal yet: nobody can enter as it")
		}
	}
	return nil
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

func (a app) status(ctx context.Context, args []string) error {
	set := a.flags("status", "Compare the database with what this program expects: version, tables, columns, indexes, key types, roles and grants.")
	target := a.addTarget(set)
	arns := addARNs(set)
	asJSON := set.Bool("json", false, "print one JSON object")
	if err := set.parse(args); err != nil {
		return err
	}
	if err := arns.Check(); err != nil {
		return usageError{err.Error()}
	}
	source, _, err := embedded()
	if err != nil {
		return err
	}
	c, err := target.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	var status schema.Status
	if err := a.runner(c, 0).Try(ctx, "read the status", func() (err error) {
		status, err = schema.ReadStatus(ctx, c.db, source, *arns, c.dialect)
		return err
	}); err != nil {
		return err
	}
	if *asJSON {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(status)
	} else {
		_, err = fmt.Fprint(a.stdout, status.Text())
	}
	if err == nil && !status.OK {
		return &schema.CheckError{Problems: status.Problems()}
	}
	return err
}
