package main

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"--address", "h:1", "--user", "u", "--database", "d", "--schema", "visibility"})
	require.NoError(t, err)
	require.Equal(t, order{address: "h:1", user: "u", database: "d", schema: "visibility"}, o)
	for _, c := range []struct {
		arguments []string
		told      string
	}{
		{[]string{"--schema", "temporal"}, "expected --database NAME"},
		{[]string{"--database", "d", "--schema", "other"}, `expected --schema temporal or visibility, got "other"`},
		{[]string{"--database", "d", "--schema", "temporal", "--address", "here"}, `expected --address host:port, got "here"`},
	} {
		_, err := parse(c.arguments)
		require.ErrorContains(t, err, c.told)
	}
	_, err = parse([]string{"--help"})
	require.ErrorIs(t, err, flag.ErrHelp)
}

func TestEverySchemaHasAVersion(t *testing.T) {
	for name, version := range versions {
		require.Regexp(t, `^1\.\d+$`, version, name)
	}
}
