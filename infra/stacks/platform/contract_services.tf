locals {
  built = merge(
    { for name in local.temporal_roles : name => module.temporal[name] },
    { ui = module.ui, grafana = module.grafana, collector = module.collector },
  )

  contract_services = merge(
    { for name, one in var.services : name => {
      service             = local.built[name].service_name
      task_family         = local.built[name].task_family
      task_definition_arn = local.built[name].task_definition_arn
      container           = local.built[name].container_name
      log_group           = local.built[name].log_group
      role_arn            = "${local.role_arn_prefix}${local.built[name].task_role_name}"
      group_id            = local.built[name].group_id
      ports               = local.built[name].ports
      pool                = "main"
      cpu                 = one.cpu
      memory              = one.memory
      planned_count       = one.planned_count
      autoscale_max       = one.autoscale_max
      min_healthy_percent = one.min_healthy_percent
      max_percent         = one.max_percent
      start_period_s      = coalesce(one.start_period_s, 60)
      dsql = one.dsql_pool_size == null ? null : {
        pool_size  = one.dsql_pool_size
        rate_per_s = one.dsql_rate_per_s
        burst      = one.dsql_burst
        reservoir  = one.dsql_reservoir
      }
    } },
    { benchmark-worker = {
      service             = module.benchmark.worker.service_name
      task_family         = module.benchmark.worker.task_family
      task_definition_arn = module.benchmark.worker.task_definition_arn
      container           = module.benchmark.worker.container_name
      log_group           = module.benchmark.worker.log_group
      role_arn            = module.benchmark.worker.task_role_arn
      group_id            = module.benchmark.worker.group_id
      ports               = { metrics = local.metrics_port }
      pool                = "benchmark"
      cpu                 = var.benchmark.worker_cpu
      memory              = var.benchmark.worker_memory
      planned_count       = module.benchmark.worker.planned_count
      autoscale_max       = module.benchmark.worker.planned_count
      min_healthy_percent = 0
      max_percent         = 100
      start_period_s      = 60
      dsql                = null
    } },
  )

  contract_tasks = merge(
    { for name, key in { schema = "schema", operator = "operator", visibility = "visibility-setup" } : name => {
      task_family               = module.task[key].task_family
      task_definition_arn       = module.task[key].task_definition_arn
      container                 = module.task[key].container_name
      log_group                 = module.task[key].log_group
      role_arn                  = module.task[key].task_role_arn
      subnet_ids                = module.network.private_subnet_ids
      group_ids                 = [module.network.group_ids[key]]
      pool                      = "main"
      capacity_provider         = module.cluster.capacity_providers["main"]
    } },
    { generator = {
      task_family         = module.benchmark.generator.task_family
      task_definition_arn = module.benchmark.generator.task_definition_arn
      container           = module.benchmark.generator.container_name
      log_group           = module.benchmark.generator.log_group
      role_arn            = module.benchmark.generator.task_role_arn
      subnet_ids          = module.network.private_subnet_ids
      group_ids           = [module.benchmark.generator.group_id]
      pool                = "benchmark"
      capacity_provider   = module.cluster.capacity_providers["benchmark"]
    } },
  )
}
