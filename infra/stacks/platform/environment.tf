# What Temporal's servers read: docs/reference/server-environment.md.
locals {
  store_environment = {
    TEMPORAL_PERSISTENCE            = "dsql"
    NUM_HISTORY_SHARDS              = tostring(var.history_shards)
    DSQL_ENDPOINT                   = module.dsql.private_endpoint
    DSQL_PORT                       = "5432"
    DSQL_DATABASE                   = "postgres"
    DSQL_USER                       = "temporal_server"
    TEMPORAL_SQL_MAX_CONN_LIFETIME  = var.dsql.connection_lifetime
    TEMPORAL_SQL_CONNECTION_TIMEOUT = "30s"
    DSQL_LIFETIME_JITTER            = tostring(var.dsql.connection_lifetime_jitter)
    # Each task waits for a random time first: all of them start at once after an outage.
    DSQL_STAGGERED_STARTUP           = "true"
    DSQL_STAGGERED_STARTUP_MAX_DELAY = var.dsql.staggered_startup_max_delay
  }

  limiter_environment = var.dsql.distributed_limiter ? {
    DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED = "true"
    DSQL_DISTRIBUTED_RATE_LIMITER_TABLE   = module.dsql.limiter_table_name
    DSQL_DISTRIBUTED_RATE_LIMITER_LIMIT   = tostring(var.dsql.distributed_limit_per_s)
  } : { DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED = "false" }

  visibility_environment = {
    TEMPORAL_VISIBILITY         = "opensearch"
    TEMPORAL_OPENSEARCH_HOST    = module.visibility.endpoint
    TEMPORAL_OPENSEARCH_PORT    = "443"
    TEMPORAL_OPENSEARCH_SCHEME  = "https"
    TEMPORAL_OPENSEARCH_INDEX   = module.visibility.index
    TEMPORAL_OPENSEARCH_SIGNING = "true"
  }

  process_environment = {
    AURORAL_STOP_TIMEOUT = "100s"
    PROMETHEUS_ENDPOINT  = "0.0.0.0:${local.metrics_port}"
    CLUSTER_RPC_ADDRESS  = local.frontend_dns_address
    CLUSTER_HTTP_ADDRESS = "frontend.${module.cluster.dns_namespace_name}:7243"
  }

  common_environment = merge(local.store_environment, local.limiter_environment, local.visibility_environment, local.process_environment)

  role_environment = { for name in local.temporal_roles : name => {
    TEMPORAL_SERVICES           = name
    TEMPORAL_SQL_MAX_CONNS      = tostring(var.services[name].dsql_pool_size)
    TEMPORAL_SQL_MAX_IDLE_CONNS = tostring(var.services[name].dsql_pool_size)
    DSQL_CONNECTION_RATE_LIMIT  = tostring(var.services[name].dsql_rate_per_s)
    DSQL_CONNECTION_BURST_LIMIT = tostring(var.services[name].dsql_burst)
    DSQL_RESERVOIR              = tostring(var.services[name].dsql_reservoir)
  } }

  # By name, without values: who sets more environment must not need a domain's endpoint to be told.
  reserved_environment = toset([
    "AURORAL_STOP_TIMEOUT", "AWS_REGION", "CLUSTER_HTTP_ADDRESS", "CLUSTER_RPC_ADDRESS", "DSQL_CONNECTION_BURST_LIMIT",
    "DSQL_CONNECTION_RATE_LIMIT", "DSQL_DATABASE", "DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED", "DSQL_DISTRIBUTED_RATE_LIMITER_LIMIT",
    "DSQL_DISTRIBUTED_RATE_LIMITER_TABLE", "DSQL_ENDPOINT", "DSQL_LIFETIME_JITTER", "DSQL_PORT", "DSQL_RESERVOIR",
    "DSQL_STAGGERED_STARTUP", "DSQL_STAGGERED_STARTUP_MAX_DELAY", "DSQL_USER", "NUM_HISTORY_SHARDS", "PROMETHEUS_ENDPOINT",
    "SERVICES", "TEMPORAL_OPENSEARCH_HOST", "TEMPORAL_OPENSEARCH_INDEX", "TEMPORAL_OPENSEARCH_PORT", "TEMPORAL_OPENSEARCH_SCHEME",
    "TEMPORAL_OPENSEARCH_SIGNING", "TEMPORAL_PERSISTENCE", "TEMPORAL_SERVICES", "TEMPORAL_SQL_CONNECTION_TIMEOUT",
    "TEMPORAL_SQL_MAX_CONNS", "TEMPORAL_SQL_MAX_CONN_LIFETIME", "TEMPORAL_SQL_MAX_IDLE_CONNS", "TEMPORAL_VISIBILITY",
  ])
}
