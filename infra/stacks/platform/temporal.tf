module "temporal" {
  source   = "../../modules/service"
  for_each = toset(local.temporal_roles)

  project           = var.project
  region            = var.region
  account_id        = var.account_id
  partition         = var.partition
  name              = each.key
  cluster_arn       = module.cluster.arn
  cluster_name      = module.cluster.name
  capacity_provider = module.cluster.capacity_providers["main"]
  subnet_ids        = module.network.private_subnet_ids
  group_id          = module.network.group_ids[each.key]

  image       = var.images.server
  cpu         = var.services[each.key].cpu
  memory      = var.services[each.key].memory
  environment = merge(var.server_environment, local.common_environment, local.role_environment[each.key])
  ports = concat(
    [
      { name = "grpc", port = local.grpc_ports[each.key] },
      { name = "membership", port = local.membership_ports[each.key] },
      { name = "metrics", port = local.metrics_port },
    ],
    each.key == "frontend" ? [{ name = "http", port = 7243 }] : [],
  )
  health_check   = { command = ["CMD", "auroral-server", "health"], start_period_s = var.services[each.key].start_period_s }
  stop_timeout_s = 120

  planned_count       = var.services[each.key].planned_count
  min_healthy_percent = var.services[each.key].min_healthy_percent
  max_percent         = var.services[each.key].max_percent
  autoscale = var.services[each.key].autoscale_max == var.services[each.key].planned_count ? null : {
    min = var.services[each.key].planned_count
    max = var.services[each.key].autoscale_max
  }

  # Ring members call each other by task address; only the frontend is found by name.
  service_connect = each.key != "frontend" ? null : { namespace_arn = module.cluster.namespace_arn, discovery_name = "temporal-frontend", port_name = "grpc" }
  dns             = each.key != "frontend" ? null : { namespace_id = module.cluster.dns_namespace_id, name = "frontend" }

  task_policy_statements = local.server_statements

  log_retention_days = var.log_retention_days
  log_kms_key_arn    = module.cluster.log_kms_key_arn
  exec_log_group     = module.cluster.exec_log_group
  alarm_topic_arn    = module.observability.topic_arn
}

locals {
  server_statements = concat(
    [
      { sid = "Dsql", actions = ["dsql:DbConnect"], resources = [module.dsql.arn] },
      { sid = "Visibility", actions = module.visibility.http_actions, resources = ["${module.visibility.domain_arn}/*"] },
    ],
    [for arn in var.dsql.distributed_limiter ? [module.dsql.limiter_table_arn] : [] : {
      sid = "Limiter", actions = ["dynamodb:UpdateItem"], resources = [arn]
    }],
  )

  # Each by its literal key: an index that is computed would wait for all of the module, and the domain waits for these.
  server_role_names = {
    history  = module.temporal["history"].task_role_name
    matching = module.temporal["matching"].task_role_name
    frontend = module.temporal["frontend"].task_role_name
    worker   = module.temporal["worker"].task_role_name
  }
  server_role_arns = { for name, role in local.server_role_names : name => "${local.role_arn_prefix}${role}" }
}
