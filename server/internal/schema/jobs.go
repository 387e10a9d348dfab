package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// job is a row of DSQL's sys.jobs. An ended one stays for half an hour.
type job struct{ id, object, status, details string }

func readJobs(ctx context.Context, db Querier) ([]job, error) {
	var jobs []job
	err := each(ctx, db, `SELECT job_id::text, coalesce(object_name::text, ''), status::text, coalesce(details::text, '') FROM sys.jobs
		WHERE job_type = 'INDEX_BUILD'`, func(scan func(...any) error) error {
		var j job
		err := scan(&j.id, &j.object, &j.status, &j.details)
		jobs = append(jobs, j)
		return err
	})
	return jobs, err
}

// builds tells which indexes are still being built, and which never will be. started holds the jobs of this run by index; one that an earlier run began is
// known by its name alone, and then a failed job counts only while the index is there and invalid: it may be that of an index dropped since.
func builds(indexes []CreateIndex, catalog Catalog, jobs []job, started map[string]string) (pending, problems []string) {
	for _, index := range indexes {
		found, there := catalog.Indexes[index.Name]
		waiting := there && !found.Valid
		for _, j := range jobs {
			ours := j.id == started[index.Name]
			if started[index.Name] == "" {
				ours = j.object == index.Name || strings.HasSuffix(j.object, "."+index.Name)
			}
			switch {
			case !ours:
			case j.status == "submitted" || j.status == "processing":
				waiting = true
			case j.status == "failed" && (started[index.Name] != "" || waiting):
				problems = append(problems, fmt.Sprintf("index %s could not be built (job %s: %s): remove the cause, DROP INDEX %s if it is there, and run the same command again",
					index.Name, j.id, j.details, index.Name))
			}
		}
		if waiting {
			pending = append(pending, index.Name)
		}
	}
	slices.Sort(pending)
	return pending, problems
}
