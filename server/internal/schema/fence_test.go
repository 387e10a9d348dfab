package schema

import (
	"testing"

	"github.com/stretchr/testify/require"

	"auroral/server/internal/fence"
)

// The fence's package says what table it needs; this one makes it.
func TestTheFenceTableIsTheFences(t *testing.T) {
	statements, err := Parse(fence.Table)
	require.NoError(t, err)
	require.Equal(t, []Statement{fenceTable}, statements)
}
