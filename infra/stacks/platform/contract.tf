# What every command of auroral knows of a deployment: src/auroral/infra/contract.schema.json. Add freely; what changes or
# goes needs another version.
locals {
  contract = {
    version    = 1
    project    = var.project
    region     = var.region
    account_id = var.account_id
    partition  = var.partition

    cluster = {
      name                      = module.cluster.name
      arn                       = module.cluster.arn
      exec_log_group            = module.cluster.exec_log_group
      service_connect_namespace = module.cluster.namespace_name
      dns_namespace             = module.cluster.dns_namespace_name
    }

    network = {
      vpc_id      = module.network.vpc_id
      subnet_ids  = module.network.private_subnet_ids
      zones       = local.zones
      egress_mode = var.egress_mode
    }

    frontend = {
      service_connect_address = local.frontend_address
      dns_address             = local.frontend_dns_address
    }

    services = local.contract_services
    tasks    = local.contract_tasks

    capacity = { for name, pool in module.capacity : name => {
      provider      = pool.capacity_provider_name
      asg           = pool.asg_name
      instance_type = pool.instance_type
      min           = var.capacity_pools[name].min
      max           = pool.max
    } }

    dsql = {
      identifier       = module.dsql.identifier
      arn              = module.dsql.arn
      endpoint         = module.dsql.endpoint
      private_endpoint = module.dsql.private_endpoint
      limits           = var.dsql_cluster.limits
      limiter = {
        mode        = var.dsql.distributed_limiter ? "distributed" : "local"
        limit_per_s = var.dsql.distributed_limit_per_s
        table       = module.dsql.limiter_table_name
      }
      backup = module.dsql.backup
    }

    visibility = {
      domain   = module.visibility.domain_name
      arn      = module.visibility.domain_arn
      endpoint = module.visibility.endpoint
      index    = module.visibility.index
    }

    metrics = {
      workspace_id        = module.metrics.workspace_id
      workspace_arn       = module.metrics.workspace_arn
      query_url           = module.metrics.query_url
      remote_write_url    = module.metrics.remote_write_url
      collector_parameter = module.metrics.collector_parameter_name
    }

    alarms = {
      topic_arn = module.observability.topic_arn
      prefix    = "${var.project}-"
    }

    benchmark = {
      namespace      = var.benchmark_namespace
      results_bucket = module.benchmark.results_bucket
      results_prefix = module.benchmark.results_prefix
    }

    images             = var.images
    repository_arns    = local.repository_arns
    grafana_secret_arn = var.grafana_secret_arn
    history_shards     = var.history_shards

    log_groups = merge(
      { exec = module.cluster.exec_log_group, prometheus = module.metrics.log_group, flow = "/vpc/${var.project}/flow" },
      { for kind, name in module.visibility.log_groups : "opensearch_${kind}" => name },
    )

    commands = { exec = local.exec_commands, forward = local.forward_commands }
  }
}

output "contract" {
  description = "The deployment, for auroral's commands: terraform output -json > outputs.json, then --outputs outputs.json."
  value       = local.contract
}
