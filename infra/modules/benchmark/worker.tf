module "worker" {
  source = "../service"

  project           = var.project
  region            = var.region
  account_id        = var.account_id
  partition         = var.partition
  name              = "benchmark-worker"
  cluster_arn       = var.cluster_arn
  cluster_name      = var.cluster_name
  capacity_provider = var.capacity_provider
  workload          = var.workload
  subnet_ids        = var.subnet_ids
  group_id          = var.worker_group_id

  image        = var.image
  command      = ["bench", "worker"]
  cpu          = var.worker.cpu
  memory       = var.worker.memory
  environment  = local.worker_environment
  ports        = [{ name = "metrics", port = 9090 }]
  health_check = local.health_check

  planned_count = var.worker.planned_count
  # Replaced in place: the pool has room for the workers, not for their doubles.
  min_healthy_percent = 0
  max_percent         = 100
  service_connect     = { namespace_arn = var.namespace_arn, client_only = true }

  log_retention_days = var.log_retention_days
  log_kms_key_arn    = var.log_kms_key_arn
  exec_log_group     = var.exec_log_group
  alarm_topic_arn    = var.alarm_topic_arn
}
