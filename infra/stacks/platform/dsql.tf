module "dsql" {
  source = "../../modules/dsql"

  project             = var.project
  region              = var.region
  partition           = var.partition
  account_id          = var.account_id
  create              = var.dsql_cluster.existing == null
  existing            = var.dsql_cluster.existing
  deletion_protection = var.dsql_cluster.deletion_protection
  kms_key_arn         = var.dsql_cluster.kms_key_arn
  backup              = var.dsql_cluster.backup
  limits              = var.dsql_cluster.limits
  limiter             = { mode = var.dsql.distributed_limiter ? "distributed" : "local", limit_per_s = var.dsql.distributed_limit_per_s }
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  group_id            = module.network.group_ids["dsql-endpoint"]

  services = { for name in local.temporal_roles : name => {
    planned_count = var.services[name].planned_count
    autoscale_max = var.services[name].autoscale_max
    max_percent   = var.services[name].max_percent
    rate_per_s    = var.services[name].dsql_rate_per_s
    burst         = var.services[name].dsql_burst
    pool_size     = var.services[name].dsql_pool_size
    reservoir     = var.services[name].dsql_reservoir
  } }
}
