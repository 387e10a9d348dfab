# Written by auroral 0.1.0: do not edit, plan again.
#   auroral capacity plan --preset dev
# 50 state-transitions workflows a second; sizes are measured: the public run of 2026-01-16: 46.86/s completed of 50
# offered, all 14,071; at 100 offered it collapsed.
# Units: cpu in CPU units (1,024 a vCPU), memory in MiB, rates in connections a second for each task.
# history_shards cannot be changed once the cluster has started.

history_shards = 4096

services = {
  history = {
    cpu                 = 2048
    memory              = 8192
    planned_count       = 4
    autoscale_max       = 4
    min_healthy_percent = 75
    max_percent         = 100
    start_period_s      = 78
    dsql_pool_size      = 50
    dsql_rate_per_s     = 8.1
    dsql_burst          = 50
    dsql_reservoir      = 0
  }
  matching = {
    cpu                 = 1024
    memory              = 4096
    planned_count       = 3
    autoscale_max       = 3
    min_healthy_percent = 66
    max_percent         = 100
    start_period_s      = 78
    dsql_pool_size      = 50
    dsql_rate_per_s     = 8.1
    dsql_burst          = 50
    dsql_reservoir      = 0
  }
  frontend = {
    cpu                 = 1024
    memory              = 4096
    planned_count       = 2
    autoscale_max       = 3
    min_healthy_percent = 50
    max_percent         = 100
    start_period_s      = 78
    dsql_pool_size      = 50
    dsql_rate_per_s     = 8.1
    dsql_burst          = 50
    dsql_reservoir      = 0
  }
  worker = {
    cpu                 = 1024
    memory              = 4096
    planned_count       = 2
    autoscale_max       = 2
    min_healthy_percent = 50
    max_percent         = 100
    start_period_s      = 78
    dsql_pool_size      = 50
    dsql_rate_per_s     = 8.1
    dsql_burst          = 50
    dsql_reservoir      = 0
  }
  ui = {
    cpu                 = 256
    memory              = 512
    planned_count       = 1
    autoscale_max       = 1
    min_healthy_percent = 100
    max_percent         = 200
  }
  grafana = {
    cpu                 = 256
    memory              = 512
    planned_count       = 1
    autoscale_max       = 1
    min_healthy_percent = 100
    max_percent         = 200
  }
  collector = {
    cpu                 = 512
    memory              = 1024
    planned_count       = 1
    autoscale_max       = 1
    min_healthy_percent = 0
    max_percent         = 100
  }
}

capacity_pools = {
  main = {
    instance_type = "m7g.xlarge"
    min           = 6
    max           = 7
    desired       = 6
  }
  benchmark = {
    instance_type = "m7g.xlarge"
    min           = 0
    max           = 7
    desired       = 0
  }
}

benchmark = {
  generator_cpu    = 4096
  generator_memory = 8192
  worker_cpu       = 2048
  worker_memory    = 4096
  worker_count     = 6
}

dsql = {
  connection_lifetime        = "55m"
  connection_lifetime_jitter = 0.1
  distributed_limiter        = false
}
