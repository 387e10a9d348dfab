package schema

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuilds(t *testing.T) {
	indexes := []CreateIndex{{Name: "a", Table: "t"}}
	at := func(valid bool) Catalog {
		return Catalog{Indexes: map[string]CatalogIndex{"a": {Table: "t", Valid: valid}}}
	}
	gone := Catalog{}
	ours := map[string]string{"a": "j1"}
	for name, c := range map[string]struct {
		catalog Catalog
		jobs    []job
		started map[string]string
		pending bool
		problem bool
	}{
		"valid, no job left":                               {at(true), nil, nil, false, false},
		"valid, completed":                                 {at(true), []job{{"j1", "public.a", "completed", ""}}, ours, false, false},
		"valid, its job not ended":                         {at(true), []job{{"j1", "public.a", "processing", ""}}, ours, true, false},
		"invalid, submitted":                               {at(false), []job{{"j1", "public.a", "submitted", ""}}, ours, true, false},
		"invalid, job unknown":                             {at(false), nil, nil, true, false},
		"invalid, begun by an earlier run":                 {at(false), []job{{"j7", "public.a", "processing", ""}}, nil, true, false},
		"invalid, failed in an earlier run":                {at(false), []job{{"j7", "public.a", "failed", "duplicate"}}, nil, true, true},
		"invalid, failed":                                  {at(false), []job{{"j1", "public.a", "failed", "duplicate"}}, ours, true, true},
		"gone, failed":                                     {gone, []job{{"j1", "", "failed", "duplicate"}}, ours, false, true},
		"valid, the failed job of one of this name before": {at(true), []job{{"j0", "public.a", "failed", "x"}}, nil, false, false},
		"another job of the name, ours completed":          {at(true), []job{{"j0", "public.a", "failed", "x"}, {"j1", "public.a", "completed", ""}}, ours, false, false},
		"a longer name":                                    {at(true), []job{{"j0", "public.aa", "processing", ""}}, nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			pending, problems := builds(indexes, c.catalog, c.jobs, c.started)
			require.Equal(t, c.pending, len(pending) == 1)
			require.Equal(t, c.problem, len(problems) == 1)
		})
	}
}
