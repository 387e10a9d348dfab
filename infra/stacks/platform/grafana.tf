module "grafana" {
  source = "../../modules/service"

  project           = var.project
  region            = var.region
  account_id        = var.account_id
  partition         = var.partition
  name              = "grafana"
  cluster_arn       = module.cluster.arn
  cluster_name      = module.cluster.name
  capacity_provider = module.cluster.capacity_providers["main"]
  subnet_ids        = module.network.private_subnet_ids
  group_id          = module.network.group_ids["grafana"]

  image  = var.images.grafana
  user   = "472:0"
  cpu    = var.services["grafana"].cpu
  memory = var.services["grafana"].memory
  ports  = [{ name = "http", port = 3000 }]
  environment = {
    GF_SERVER_HTTP_PORT       = "3000"
    GF_AUTH_ANONYMOUS_ENABLED = "false"
    GF_USERS_ALLOW_SIGN_UP    = "false"
    AURORAL_PROMETHEUS_URL    = module.metrics.query_url
    AURORAL_PROJECT           = var.project
    AURORAL_CLUSTER           = module.cluster.name
    AURORAL_DSQL_CLUSTER      = module.dsql.identifier
  }
  secrets = {
    GF_SECURITY_ADMIN_USER     = "${var.grafana_secret_arn}:admin_user::"
    GF_SECURITY_ADMIN_PASSWORD = "${var.grafana_secret_arn}:admin_password::"
  }
  health_check = { command = ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:3000/api/health"] }

  planned_count       = var.services["grafana"].planned_count
  min_healthy_percent = var.services["grafana"].min_healthy_percent
  max_percent         = var.services["grafana"].max_percent
  service_connect     = { namespace_arn = module.cluster.namespace_arn, discovery_name = "grafana", port_name = "http" }

  task_policy_statements = [
    {
      sid       = "Metrics"
      actions   = ["aps:QueryMetrics", "aps:GetLabels", "aps:GetSeries", "aps:GetMetricMetadata"]
      resources = [module.metrics.workspace_arn]
    },
    # CloudWatch knows no resources for reading metrics: Service Authorization Reference.
    { sid = "CloudWatch", actions = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"], resources = ["*"] },
  ]

  log_retention_days = var.log_retention_days
  log_kms_key_arn    = module.cluster.log_kms_key_arn
  exec_log_group     = module.cluster.exec_log_group
  alarm_topic_arn    = module.observability.topic_arn
}
