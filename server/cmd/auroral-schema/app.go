package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"auroral/server/internal/marked"
	"auroral/server/internal/schema"
	"auroral/server/internal/session"
)

// Exit statuses, those of every auroral command.
const (
	exitDone        = 0
	exitCheck       = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitInterrupted = 4
	exitBug         = 70
)

const usage = `auroral-schema keeps Temporal's schema on Amazon Aurora DSQL.

usage: auroral-schema <command> [flags]

commands:
  setup         make the schema in an empty database; goes on where a killed run stopped
  update        bring an older schema to the version of this program, then grant the roles what is new
  status        compare the database with what this program expects; exit status 1 where something is pending
  roles         create the database roles, map them to IAM principals, grant what they lack
  verify-fence  decide whether a shard fence holds on this database

auroral-schema <command> --help lists a command's flags.
exit status: 0 done, 1 a check failed, 2 wrong usage, 3 the database cannot be reached, 4 interrupted
`

// app is one run of the command.
type app struct {
	stdout, stderr io.Writer
	env            func(string) (string, bool)
}

// usageError is a wrong command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// bugError is a fault of this program.
type bugError struct{ cause error }

func (e bugError) Error() string { return fmt.Sprintf("a bug in auroral: %v", e.cause) }
func (e bugError) Unwrap() error { return e.cause }

// unreachableError is a database that does not answer.
type unreachableError struct {
	where string
	cause error
}

func (e unreachableError) Error() string {
	return fmt.Sprintf("cannot connect to %s: %s", e.where, strings.Join(strings.Fields(e.cause.Error()), " "))
}
func (e unreachableError) Unwrap() error { return e.cause }

// process runs one command line, with both streams in one where the environment asks for that. What no longer can be written then is told by the end
// that is missing.
func (a app) process(ctx context.Context, args []string) int {
	if value, _ := a.env(marked.Variable); value != marked.Value {
		return a.run(ctx, args)
	}
	log := marked.New(a.stdout)
	a.stdout, a.stderr = log.Out, log.Err
	status := a.run(ctx, args)
	_ = log.End(status)
	return status
}

func (a app) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		_, _ = fmt.Fprint(a.stderr, usage)
		return exitUsage
	}
	var err error
	switch args[0] {
	case "setup":
		err = a.setup(ctx, args[1:])
	case "update":
		err = a.update(ctx, args[1:])
	case "status":
		err = a.status(ctx, args[1:])
	case "roles":
		err = a.roles(ctx, args[1:])
	case "verify-fence":
		err = a.verifyFence(ctx, args[1:])
	case "help", "-h", "-help", "--help":
		_, _ = fmt.Fprint(a.stdout, usage)
		return exitDone
	default:
		err = usageError{fmt.Sprintf("expected setup, update, status, roles or verify-fence, found %q", args[0])}
	}
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	_, _ = fmt.Fprintf(a.stderr, "auroral-schema: %v\n", err)
	if ctx.Err() != nil {
		a.report("interrupted; the same command goes on where this one stopped")
	}
	return exitStatus(ctx, err)
}

func exitStatus(ctx context.Context, err error) int {
	var wrong usageError
	var unreachable unreachableError
	var refused *session.RefusedError // of a connection that was opened anew
	var bug bugError
	var check *schema.CheckError
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &wrong):
		return exitUsage
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &unreachable), errors.As(err, &refused):
		return exitUnreachable
	case errors.As(err, &bug):
		return exitBug
	case errors.As(err, &check):
		return exitCheck
	case errors.As(err, &answer):
		return exitCheck // the server answered, and refused
	}
	return exitUnreachable // the connection broke; the next run goes on
}

func (a app) report(line string) { _, _ = fmt.Fprintln(a.stderr, line) }

// repeated is a flag that may be given several times.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, ", ") }

func (r *repeated) Set(value string) error {
	*r = append(*r, value)
	return nil
}

// commandFlags are the flags of one command.
type commandFlags struct {
	*flag.FlagSet
	about  string
	stdout io.Writer
}

// given says whether a flag was on the command line.
func (set commandFlags) given(name string) bool {
	found := false
	set.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// flags makes a command's flag set; its parse refuses arguments that are not flags.
func (a app) flags(name, about string) commandFlags {
	set := flag.NewFlagSet("auroral-schema "+name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {} // called for a wrong flag too, where one line is enough
	return commandFlags{set, about, a.stdout}
}

func (set commandFlags) parse(args []string) error {
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			set.SetOutput(set.stdout)
			_, _ = fmt.Fprintf(set.stdout, "%s\n\nusage: %s [flags]\n\n", set.about, set.Name())
			set.PrintDefaults()
			return err
		}
		return usageError{fmt.Sprintf("%v; %s --help lists the flags", err, set.Name())}
	}
	if set.NArg() > 0 {
		return usageError{fmt.Sprintf("expected flags, found %q; %s --help lists them", set.Arg(0), set.Name())}
	}
	return nil
}
