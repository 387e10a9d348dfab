package schema

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The database roles, and the schema that the operator's probe may fill.
const (
	ServerRole   = "temporal_server"
	OperatorRole = "temporal_operator"
	ProbeSchema  = "auroral_probe"
)

// operatorReads are the tables that an operator reads: who is in the cluster and what schema it has. None holds a workflow's data.
var operatorReads = []string{"cluster_membership", "cluster_metadata_info", versionTable.Name, historyTable.Name, journalTable.Name}

var serverPrivileges = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}

// ARNs are the IAM principals that may enter as each role.
type ARNs struct{ Server, Operator []string }

var arnPattern = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$`)

// Check tells every ARN that IAM could not have issued.
func (a ARNs) Check() error {
	var wrong []string
	for _, arn := range slices.Concat(a.Server, a.Operator) {
		if !arnPattern.MatchString(arn) {
			wrong = append(wrong, arn)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("expected the ARN of an IAM role or user, arn:aws:iam::<account>:role/<name>, found %s; "+
			"for an assumed role (arn:aws:sts::…) give the role's own ARN", strings.Join(wrong, ", "))
	}
	return nil
}

// Unmapped lists the roles that no principal can enter: none is mapped so far, and none is among these.
func (a ARNs) Unmapped(access Access) []string {
	var roles []string
	if len(a.Server) == 0 && len(access.Mapped[ServerRole]) == 0 {
		roles = append(roles, ServerRole)
	}
	if len(a.Operator) == 0 && len(access.Mapped[OperatorRole]) == 0 {
		roles = append(roles, OperatorRole)
	}
	return roles
}

// Access is who may do what, as a database tells it.
type Access struct {
	Roles    map[string]bool     // roles of ours that are there and may log in
	Mapped   map[string][]string // role → ARNs
	Schemas  map[string]bool     // `role schema PRIVILEGE`
	Tables   map[string]bool     // `role table PRIVILEGE`
	HasProbe bool
}

// ReadAccess reads roles, mappings and grants.
func ReadAccess(ctx context.Context, db Querier, d Dialect) (Access, error) {
	a := Access{Roles: map[string]bool{}, Mapped: map[string][]string{}, Schemas: map[string]bool{}, Tables: map[string]bool{}}
	roles := fmt.Sprintf("(%s, %s)", quote(ServerRole), quote(OperatorRole))
	err := each(ctx, db, "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname IN "+roles, func(scan func(...any) error) error {
		var role string
		err := scan(&role)
		a.Roles[role] = true
		return err
	})
	if err != nil {
		return a, err
	}
	if d == DSQL {
		err = each(ctx, db, "SELECT pg_role_name::text, arn::text FROM sys.iam_pg_role_mappings", func(scan func(...any) error) error {
			var role, arn string
			err := scan(&role, &arn)
			a.Mapped[role] = append(a.Mapped[role], arn)
			return err
		})
		if err != nil {
			return a, err
		}
	}
	schemas := fmt.Sprintf("('public', %s)", quote(ProbeSchema))
	err = each(ctx, db, `SELECT r.rolname, n.nspname, has_schema_privilege(r.oid, n.oid, 'USAGE'), has_schema_privilege(r.oid, n.oid, 'CREATE')
		FROM pg_roles r CROSS JOIN pg_namespace n WHERE n.nspname IN `+schemas+` AND r.rolname IN `+roles, func(scan func(...any) error) error {
		var role, schema string
		var usage, create bool
		err := scan(&role, &schema, &usage, &create)
		a.Schemas[role+" "+schema+" USAGE"], a.Schemas[role+" "+schema+" CREATE"] = usage, create
		return err
	})
	if err != nil {
		return a, err
	}
	err = each(ctx, db, `SELECT nspname FROM pg_namespace WHERE nspname = `+quote(ProbeSchema), func(scan func(...any) error) error {
		a.HasProbe = true
		var name string
		return scan(&name)
	})
	if err != nil {
		return a, err
	}
	err = each(ctx, db, `SELECT r.rolname, c.relname, has_table_privilege(r.oid, c.oid, 'SELECT'), has_table_privilege(r.oid, c.oid, 'INSERT'),
			has_table_privilege(r.oid, c.oid, 'UPDATE'), has_table_privilege(r.oid, c.oid, 'DELETE')
		FROM pg_roles r CROSS JOIN pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname = 'public' AND r.rolname IN `+roles, func(scan func(...any) error) error {
		var role, table string
		var has [4]bool
		err := scan(&role, &table, &has[0], &has[1], &has[2], &has[3])
		for i, privilege := range serverPrivileges {
			a.Tables[role+" "+table+" "+privilege] = has[i]
		}
		return err
	})
	return a, err
}

// Grant is one statement that gives access, and the words for what is missing without it.
type Grant struct{ Missing, SQL string }

// Grants lists, in order, the statements that bring a database from its access to the one that the roles need. tables are those of the schema. A nil
// access means an empty database: all statements. Mappings of principals that are not named stay as they are.
func Grants(access *Access, tables []string, arns ARNs, d Dialect) []Grant {
	has := access
	if has == nil {
		has = &Access{}
	}
	return slices.Concat(roleGrants(has, ServerRole, arns.Server, d), serverGrants(has, tables), roleGrants(has, OperatorRole, arns.Operator, d), operatorGrants(has))
}

// UpgradeGrants lists what the roles that exist lack: after an update, the grants on its new tables.
func UpgradeGrants(access Access, tables []string) []Grant {
	var grants []Grant
	if access.Roles[ServerRole] {
		grants = append(grants, serverGrants(&access, tables)...)
	}
	if access.Roles[OperatorRole] {
		grants = append(grants, operatorGrants(&access)...)
	}
	return grants
}

func roleGrants(has *Access, role string, arns []string, d Dialect) []Grant {
	var grants []Grant
	if !has.Roles[role] {
		grants = append(grants, Grant{"role " + role + " is missing", "CREATE ROLE " + role + " WITH LOGIN"})
	}
	if d != DSQL {
		return grants
	}
	for _, arn := range arns {
		if !slices.Contains(has.Mapped[role], arn) {
			grants = append(grants, Grant{fmt.Sprintf("role %s is not mapped to %s", role, arn), fmt.Sprintf("AWS IAM GRANT %s TO %s", role, quote(arn))})
		}
	}
	return grants
}

func usageGrant(has *Access, role string) []Grant {
	if has.Schemas[role+" public USAGE"] {
		return nil
	}
	return []Grant{{"role " + role + " lacks USAGE on schema public", "GRANT USAGE ON SCHEMA public TO " + role}}
}

// serverGrants needs no grant on the sequence of buffered_events: an identity column's belongs to its table.
func serverGrants(has *Access, tables []string) []Grant {
	grants := usageGrant(has, ServerRole)
	var lacking []string
	for _, table := range tables {
		for _, privilege := range serverPrivileges {
			if !has.Tables[ServerRole+" "+table+" "+privilege] {
				lacking = append(lacking, table)
				break
			}
		}
	}
	if len(lacking) > 0 {
		privileges := strings.Join(serverPrivileges, ", ")
		on := strings.Join(lacking, ", ")
		if len(lacking) == len(tables) {
			on = "every table"
		}
		grants = append(grants, Grant{
			fmt.Sprintf("role %s lacks %s on %s", ServerRole, privileges, on),
			fmt.Sprintf("GRANT %s ON ALL TABLES IN SCHEMA public TO %s", privileges, ServerRole),
		})
	}
	return grants
}

func operatorGrants(has *Access) []Grant {
	grants := usageGrant(has, OperatorRole)
	grant := func(table, privilege string) {
		if !has.Tables[OperatorRole+" "+table+" "+privilege] {
			grants = append(grants, Grant{
				fmt.Sprintf("role %s lacks %s on %s", OperatorRole, privilege, table),
				fmt.Sprintf("GRANT %s ON %s TO %s", privilege, table, OperatorRole),
			})
		}
	}
	for _, table := range operatorReads {
		grant(table, "SELECT")
	}
	grant("cluster_membership", "DELETE")
	if !has.HasProbe {
		grants = append(grants, Grant{"schema " + ProbeSchema + " is missing", "CREATE SCHEMA IF NOT EXISTS " + ProbeSchema})
	}
	if !has.Schemas[OperatorRole+" "+ProbeSchema+" USAGE"] || !has.Schemas[OperatorRole+" "+ProbeSchema+" CREATE"] {
		grants = append(grants, Grant{
			fmt.Sprintf("role %s lacks USAGE, CREATE on schema %s", OperatorRole, ProbeSchema),
			fmt.Sprintf("GRANT USAGE, CREATE ON SCHEMA %s TO %s", ProbeSchema, OperatorRole),
		})
	}
	return grants
}

// Grant runs the statements, each in a transaction of its own.
func (r *Runner) Grant(ctx context.Context, grants []Grant) error {
	for _, g := range grants {
		err := r.Try(ctx, g.SQL, func() error {
			_, err := r.DB.ExecContext(ctx, g.SQL)
			return err
		})
		// 42710: a run at the same time made the role.
		if err != nil && (sqlState(err) != "42710" || !strings.HasPrefix(g.SQL, "CREATE ROLE")) {
			return err
		}
		r.Report(g.SQL)
	}
	return nil
}

// TableNames lists the tables of the plan's schema, ours among them.
func (p Plan) TableNames() []string {
	names := []string{journalTable.Name}
	for _, t := range p.After.Tables {
		names = append(names, t.Name)
	}
	return names
}
