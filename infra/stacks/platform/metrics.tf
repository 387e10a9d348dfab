module "metrics" {
  source = "../../modules/metrics"

  project            = var.project
  region             = var.region
  account_id         = var.account_id
  partition          = var.partition
  alarm_topic_arn    = module.observability.topic_arn
  rule_groups        = local.rule_groups
  collector_config   = var.collector_config != null ? var.collector_config : file("${path.module}/collector.yaml")
  log_retention_days = var.log_retention_days
  log_kms_key_arn    = module.cluster.log_kms_key_arn
}
