// Package deps holds the module's requirements while the packages that use them are written.
package deps

import (
	_ "github.com/aws/aws-sdk-go-v2/aws"
	_ "github.com/aws/aws-sdk-go-v2/config"
	_ "github.com/aws/aws-sdk-go-v2/credentials"
	_ "github.com/aws/aws-sdk-go-v2/feature/dsql/auth"
	_ "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	_ "github.com/google/uuid"
	_ "github.com/iancoleman/strcase"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/jmoiron/sqlx"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/mysql"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	_ "go.temporal.io/server/schema"
	_ "go.temporal.io/server/temporal"
	_ "go.temporal.io/server/tools/sql"
	_ "github.com/urfave/cli/v2"
)
