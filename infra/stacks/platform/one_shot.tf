# Tasks that `auroral` starts, each with a command of its own.
locals {
  visibility_role_arn = "${local.role_arn_prefix}${module.task["visibility-setup"].task_role_name}"

  one_shot = {
    schema = {
      entry_point = ["auroral-schema"]
      command     = ["status"]
      environment = { DSQL_ENDPOINT = module.dsql.private_endpoint }
      statements  = [{ sid = "Dsql", actions = ["dsql:DbConnectAdmin"], resources = [module.dsql.arn] }]
    }
    operator = {
      entry_point = ["auroral"]
      command     = ["dsql", "probe"]
      environment = { DSQL_ENDPOINT = module.dsql.private_endpoint, DSQL_USER = "temporal_operator" }
      statements = [
        { sid = "Dsql", actions = ["dsql:DbConnect"], resources = [module.dsql.arn] },
        # CloudWatch knows no resources for reading metrics: Service Authorization Reference.
        { sid = "CloudWatch", actions = ["cloudwatch:GetMetricStatistics"], resources = ["*"] },
      ]
    }
    visibility-setup = {
      entry_point = ["auroral"]
      command     = concat(["visibility", "apply"], flatten([for arn in values(local.server_role_arns) : ["--server-arn", arn]]))
      environment = { TEMPORAL_OPENSEARCH_HOST = module.visibility.endpoint, TEMPORAL_OPENSEARCH_INDEX = module.visibility.index }
      statements  = [{ sid = "Visibility", actions = module.visibility.http_actions, resources = ["${module.visibility.domain_arn}/*"] }]
    }
  }
}

module "task" {
  source = "../../modules/service"
  # Names alone: the domain needs the visibility task's role, and that task the domain's endpoint.
  for_each = toset(["schema", "operator", "visibility-setup"])

  project      = var.project
  region       = var.region
  account_id   = var.account_id
  partition    = var.partition
  name         = each.key
  desired      = "task"
  cluster_arn  = module.cluster.arn
  cluster_name = module.cluster.name
  subnet_ids   = module.network.private_subnet_ids
  group_id     = module.network.group_ids[each.key]

  image       = var.images.benchmark
  entry_point = local.one_shot[each.key].entry_point
  command     = local.one_shot[each.key].command
  cpu         = 256
  memory      = 512
  environment = local.one_shot[each.key].environment
  # The process ends by itself; healthy as long as it runs.
  health_check = { command = ["CMD", "true"], interval_s = 30 }

  task_policy_statements = local.one_shot[each.key].statements

  log_retention_days = var.log_retention_days
  log_kms_key_arn    = module.cluster.log_kms_key_arn
  exec_log_group     = module.cluster.exec_log_group
}
