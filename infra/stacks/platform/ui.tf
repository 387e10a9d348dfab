module "ui" {
  source = "../../modules/service"

  project           = var.project
  region            = var.region
  account_id        = var.account_id
  partition         = var.partition
  name              = "ui"
  cluster_arn       = module.cluster.arn
  cluster_name      = module.cluster.name
  capacity_provider = module.cluster.capacity_providers["main"]
  subnet_ids        = module.network.private_subnet_ids
  group_id          = module.network.group_ids["ui"]

  image  = var.images.ui
  user   = var.ui_user
  cpu    = var.services["ui"].cpu
  memory = var.services["ui"].memory
  ports  = [{ name = "http", port = 8080 }]
  # Read through a port that is forwarded to one's own machine.
  environment = {
    TEMPORAL_ADDRESS      = local.frontend_address
    TEMPORAL_UI_PORT      = "8080"
    TEMPORAL_CORS_ORIGINS = "http://localhost:8080"
  }
  health_check = { command = ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:8080/"] }

  planned_count       = var.services["ui"].planned_count
  min_healthy_percent = var.services["ui"].min_healthy_percent
  max_percent         = var.services["ui"].max_percent
  service_connect     = { namespace_arn = module.cluster.namespace_arn, discovery_name = "temporal-ui", port_name = "http" }

  log_retention_days = var.log_retention_days
  log_kms_key_arn    = module.cluster.log_kms_key_arn
  exec_log_group     = module.cluster.exec_log_group
  alarm_topic_arn    = module.observability.topic_arn
}
