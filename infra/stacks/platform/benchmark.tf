module "benchmark" {
  source = "../../modules/benchmark"

  project            = var.project
  region             = var.region
  account_id         = var.account_id
  partition          = var.partition
  cluster_arn        = module.cluster.arn
  cluster_name       = module.cluster.name
  capacity_provider  = module.cluster.capacity_providers["benchmark"]
  subnet_ids         = module.network.private_subnet_ids
  generator_group_id = module.network.group_ids["benchmark-generator"]
  worker_group_id    = module.network.group_ids["benchmark-worker"]
  image              = var.images.benchmark
  namespace_arn      = module.cluster.namespace_arn
  worker_address     = local.frontend_address
  generator_address  = local.frontend_dns_address
  temporal_namespace = var.benchmark_namespace
  generator          = { cpu = var.benchmark.generator_cpu, memory = var.benchmark.generator_memory }
  worker             = { cpu = var.benchmark.worker_cpu, memory = var.benchmark.worker_memory, planned_count = var.benchmark.worker_count }
  log_retention_days = var.log_retention_days
  log_kms_key_arn    = module.cluster.log_kms_key_arn
  exec_log_group     = module.cluster.exec_log_group
  alarm_topic_arn    = module.observability.topic_arn
}
