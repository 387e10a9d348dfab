# Written by auroral 0.1.0: do not edit, plan again.
#   auroral capacity plan --preset 400wps
# 400 state-transitions workflows a second; sizes are measured: the public run of 2026-01-23: 372/s started of 400
# offered, 323/s completed at its peak, 111,692 of 111,696.
# Units: cpu in CPU units (1,024 a vCPU), memory in MiB, rates in connections a second for each task.
# history_shards cannot be changed once the cluster has started.

history_shards = 4096

services = {
  history = {
    cpu                 = 4096
    memory              = 8192
    planned_count       = 16
    autoscale_max       = 16
    min_healthy_percent = 100
    max_percent         = 113
    start_period_s      = 149
    dsql_pool_size      = 300
    dsql_rate_per_s     = 3.2
    dsql_burst          = 32
    dsql_reservoir      = 0
  }
  matching = {
    cpu                 = 1024
    memory              = 2048
    planned_count       = 16
    autoscale_max       = 16
    min_healthy_percent = 100
    max_percent         = 113
    start_period_s      = 149
    dsql_pool_size      = 150
    dsql_rate_per_s     = 1.6
    dsql_burst          = 16
    dsql_reservoir      = 0
  }
  frontend = {
    cpu                 = 2048
    memory              = 4096
    planned_count       = 9
    autoscale_max       = 11
    min_healthy_percent = 100
    max_percent         = 123
    start_period_s      = 156
    dsql_pool_size      = 100
    dsql_rate_per_s     = 1
    dsql_burst          = 10
    dsql_reservoir      = 0
  }
  worker = {
    cpu                 = 512
    memory              = 1024
    planned_count       = 3
    autoscale_max       = 3
    min_healthy_percent = 100
    max_percent         = 134
    start_period_s      = 149
    dsql_pool_size      = 50
    dsql_rate_per_s     = 0.54
    dsql_burst          = 5
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
    instance_type = "m8g.4xlarge"
    min           = 10
    max           = 11
    desired       = 10
  }
  benchmark = {
    instance_type = "m8g.4xlarge"
    min           = 0
    max           = 13
    desired       = 0
  }
}

benchmark = {
  generator_cpu    = 4096
  generator_memory = 8192
  worker_cpu       = 4096
  worker_memory    = 4096
  worker_count     = 51
}

dsql = {
  connection_lifetime        = "55m"
  connection_lifetime_jitter = 0.1
  distributed_limiter        = false
}
