package deps

import (
	_ "github.com/stretchr/testify/require"
	_ "github.com/stretchr/testify/suite"
	_ "go.temporal.io/server/common/persistence/persistence-tests"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/tests"
	_ "go.temporal.io/server/common/persistence/tests"
	_ "pgregory.net/rapid"
)
