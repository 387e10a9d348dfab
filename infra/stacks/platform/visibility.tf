module "visibility" {
  source = "../../modules/visibility"

  project            = var.project
  region             = var.region
  account_id         = var.account_id
  partition          = var.partition
  subnet_ids         = module.network.private_subnet_ids
  group_id           = module.network.group_ids["opensearch"]
  engine_version     = var.opensearch.engine_version
  instance_type      = var.opensearch.instance_type
  instance_count     = var.opensearch.instance_count
  volume_gib         = var.opensearch.volume_gib
  dedicated_masters  = var.opensearch.dedicated_masters
  kms_key_arn        = var.opensearch.kms_key_arn
  index              = var.opensearch.index
  master_role_arn    = local.visibility_role_arn
  server_role_arns   = values(local.server_role_arns)
  log_retention_days = var.log_retention_days
  log_kms_key_arn    = module.cluster.log_kms_key_arn
}
