package host

import (
	"fmt"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/temporal"

	// The local cluster's store and visibility; OpenSearch comes with the server.
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"

	_ "auroral/server/internal/plugin"
	"auroral/server/internal/servicetag"
)

// Build makes the server. It opens the pools, and so returns only when they are warm.
func Build(cfg *config.Config, services []string, logger log.Logger) (Process, error) {
	authorizer, err := authorization.GetAuthorizerFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, &UsageError{fmt.Sprintf("authorizer: %v", err)}
	}
	if authorization.IsNoopAuthorizer(authorizer) {
		logger.Warn("Every caller may do everything: TEMPORAL_AUTH_AUTHORIZER is not set")
	}
	claims, err := authorization.GetClaimMapperFromConfig(&cfg.Global.Authorization, logger)
	if err != nil {
		return nil, &UsageError{fmt.Sprintf("claim mapper: %v", err)}
	}
	audience, err := authorization.GetAudienceMapperFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, &UsageError{fmt.Sprintf("audience: %v", err)}
	}
	registry, err := metrics.MetricsHandlerFromConfig(logger, cfg.Global.Metrics)
	if err != nil {
		return nil, &UsageError{fmt.Sprintf("metrics: %v", err)}
	}
	logger.Info("Starting Temporal", tag.NewStringTag("server-version", headers.ServerVersion), tag.NewStringsTag("services", services))
	return temporal.NewServer(
		temporal.ForServices(services),
		temporal.WithConfig(cfg),
		temporal.WithLogger(logger),
		temporal.WithCustomMetricsHandler(servicetag.Wrap(registry)),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithAudienceGetter(func(*config.Config) authorization.JWTAudienceMapper { return audience }),
	)
}
