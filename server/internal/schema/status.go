package schema

import (
	"context"
	"fmt"
	"slices"
)

// Status is a database beside the schema that this program expects.
type Status struct {
	Database         string   `json:"database"`
	InstalledVersion string   `json:"installed_version"` // empty where there is none
	ExpectedVersion  string   `json:"expected_version"`
	PendingSteps     []string `json:"pending_steps"`     // of the set-up or update that is due
	Differences      []string `json:"differences"`       // from the expected schema, once the version is the expected one
	InvalidIndexes   []string `json:"invalid_indexes"`   // being built, or failed
	KeyTypeProblems  []string `json:"key_type_problems"` // bytea in a key
	MissingAccess    []string `json:"missing_access"`    // roles and grants
	OK               bool     `json:"ok"`
}

// Installed is a database's schema version.
type Installed struct {
	Database string
	Version  string // empty where there is none
}

// ReadInstalled reads the version that Temporal's own check reads.
func ReadInstalled(ctx context.Context, db Querier, catalog Catalog) (Installed, error) {
	var installed Installed
	err := each(ctx, db, "SELECT current_database()", func(scan func(...any) error) error { return scan(&installed.Database) })
	if _, ok := catalog.Tables[versionTable.Name]; !ok || err != nil {
		return installed, err
	}
	err = each(ctx, db, "SELECT curr_version FROM schema_version WHERE version_partition = 0 AND db_name = current_database()",
		func(scan func(...any) error) error { return scan(&installed.Version) })
	return installed, err
}

// PlanFor chooses what a database needs: the set-up where it has no version, its completion where that is the newest, else an update.
func PlanFor(source Source, installed Installed) (Plan, error) {
	newest := source.Newest().Version
	switch installed.Version {
	case "":
		return SetupPlan(source)
	case newest.String():
		return CompletePlan(source)
	}
	version, err := ParseVersion(installed.Version)
	if err != nil {
		return Plan{}, check("table schema_version: %v", err)
	}
	if version.Compare(newest) > 0 {
		return Plan{}, check("the database has schema version %s and this program knows %s at most: use the auroral-schema of the newer release", version, newest)
	}
	return UpdatePlan(source, version)
}

// ReadStatus compares a database with the schema of source. arns are mappings that have to be there, beside the roles and grants.
func ReadStatus(ctx context.Context, db Querier, source Source, arns ARNs, d Dialect) (Status, error) {
	var status Status
	catalog, err := ReadCatalog(ctx, db)
	if err != nil {
		return status, err
	}
	installed, err := ReadInstalled(ctx, db, catalog)
	if err != nil {
		return status, err
	}
	status = Status{
		Database: installed.Database, InstalledVersion: installed.Version, ExpectedVersion: source.Newest().Version.String(),
		PendingSteps: []string{}, Differences: []string{}, InvalidIndexes: []string{}, KeyTypeProblems: []string{}, MissingAccess: []string{},
	}
	plan, err := PlanFor(source, installed)
	if err != nil {
		return status, err
	}
	if installed.Version == status.ExpectedVersion {
		// An update's journal is not the set-up's: what counts now is the result.
		status.Differences = append(status.Differences, catalog.Differences(plan.After)...)
	} else if status.PendingSteps, err = pendingSteps(ctx, db, catalog, plan, d); err != nil {
		return status, err
	}
	status.InvalidIndexes = append(status.InvalidIndexes, catalog.InvalidIndexes()...)
	status.KeyTypeProblems = append(status.KeyTypeProblems, catalog.KeyTypeProblems()...)
	access, err := ReadAccess(ctx, db, d)
	if err != nil {
		return status, err
	}
	for _, grant := range Grants(&access, plan.TableNames(), arns, d) {
		status.MissingAccess = append(status.MissingAccess, grant.Missing)
	}
	if d == DSQL {
		for _, role := range arns.Unmapped(access) {
			if access.Roles[role] {
				status.MissingAccess = append(status.MissingAccess, "role "+role+" is mapped to no IAM principal: nobody can enter as it")
			}
		}
	}
	status.OK = len(status.Problems()) == 0
	return status, nil
}

func pendingSteps(ctx context.Context, db Querier, catalog Catalog, plan Plan, d Dialect) ([]string, error) {
	pending := []string{}
	j, err := readJournal(ctx, db, catalog, plan, d)
	if err != nil {
		return nil, err
	}
	for number, step := range plan.Steps {
		// A table in another form shows among the steps that its own step would stop at.
		if done, err := catalog.shows(step); err != nil {
			pending = append(pending, fmt.Sprintf("%s (%v)", step.Title, err))
		} else if !done && !j.done[number] {
			pending = append(pending, step.Title)
		}
	}
	return pending, nil
}

// Problems lists all that is pending or wrong.
func (s Status) Problems() []string {
	var problems []string
	if s.InstalledVersion != s.ExpectedVersion {
		found := s.InstalledVersion
		if found == "" {
			found = "none"
		}
		problems = append(problems, fmt.Sprintf("version: expected %s, found %s", s.ExpectedVersion, found))
	}
	for _, step := range s.PendingSteps {
		problems = append(problems, "pending: "+step)
	}
	problems = append(problems, s.Differences...)
	for _, name := range s.InvalidIndexes {
		problems = append(problems, "index "+name+" is not valid yet")
	}
	return slices.Concat(problems, s.KeyTypeProblems, s.MissingAccess)
}

// Text is the status for a terminal.
func (s Status) Text() string {
	if s.OK {
		return fmt.Sprintf("database %s: schema %s, complete\n", s.Database, s.InstalledVersion)
	}
	installed := s.InstalledVersion
	if installed == "" {
		installed = "none"
	}
	return fmt.Sprintf("database %s: schema %s, expected %s; %d problems\n", s.Database, installed, s.ExpectedVersion, len(s.Problems()))
}
