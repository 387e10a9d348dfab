module "collector" {
  source = "../../modules/service"

  project           = var.project
  region            = var.region
  account_id        = var.account_id
  partition         = var.partition
  name              = "collector"
  cluster_arn       = module.cluster.arn
  cluster_name      = module.cluster.name
  capacity_provider = module.cluster.capacity_providers["main"]
  subnet_ids        = module.network.private_subnet_ids
  group_id          = module.network.group_ids["collector"]

  image  = var.images.collector
  cpu    = var.services["collector"].cpu
  memory = var.services["collector"].memory
  environment = {
    AURORAL_PROJECT          = var.project
    AURORAL_CLUSTER          = module.cluster.name
    AURORAL_REMOTE_WRITE_URL = module.metrics.remote_write_url
  }
  secrets = { AOT_CONFIG_CONTENT = module.metrics.collector_parameter_arn }
  # ecs_observer writes the addresses that it finds to a file.
  tmpfs        = [{ path = "/targets", size_mib = 8 }]
  health_check = { command = ["CMD", "/healthcheck"] }

  planned_count       = var.services["collector"].planned_count
  min_healthy_percent = var.services["collector"].min_healthy_percent
  max_percent         = var.services["collector"].max_percent

  task_policy_statements = [
    { sid = "Metrics", actions = ["aps:RemoteWrite"], resources = [module.metrics.workspace_arn] },
    {
      sid        = "Tasks"
      actions    = ["ecs:DescribeContainerInstances", "ecs:DescribeServices", "ecs:DescribeTasks", "ecs:ListServices", "ecs:ListTasks"]
      resources  = ["*"]
      conditions = [{ test = "ArnEquals", variable = "ecs:cluster", values = ["arn:${var.partition}:ecs:${var.region}:${var.account_id}:cluster/${module.cluster.name}"] }]
    },
    # Neither can be narrowed to a resource: Service Authorization Reference.
    { sid = "Addresses", actions = ["ec2:DescribeInstances", "ecs:DescribeTaskDefinition"], resources = ["*"] },
  ]

  log_retention_days = var.log_retention_days
  log_kms_key_arn    = module.cluster.log_kms_key_arn
  exec_log_group     = module.cluster.exec_log_group
  alarm_topic_arn    = module.observability.topic_arn
}
