package schema

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// testdata/released-1.18.txt lists the tables, columns and indexes in the PostgreSQL schema that Temporal Server 1.29.1 was released with (its
// schema/postgresql/v12/temporal/schema.sql, of version 1.18), one a line as sorted writes them. The older schemas that the update tests start from are
// computed; this one is known.
func TestTheComputedSchemaIsTheReleasedOne(t *testing.T) {
	shape, err := embedded(t).ShapeAt(Version{1, 18})
	require.NoError(t, err)
	released, err := os.ReadFile("testdata/released-1.18.txt")
	require.NoError(t, err)
	require.ElementsMatch(t, lines(string(released)), sorted(shape))
}
