# What a profile of infra/profiles says, written by `auroral capacity plan`.

variable "history_shards" {
  description = "Shards of history. They cannot be changed once the cluster has started."
  type        = number
  nullable    = false

  validation {
    condition     = contains([for power in range(15) : pow(2, power)], var.history_shards)
    error_message = "Expected history_shards to be a power of two from 1 to 16384, got ${var.history_shards}. Set history_shards; it cannot be changed once the cluster has started."
  }
}

variable "services" {
  description = <<-TEXT
    Every service: CPU units and MiB of a task, tasks planned and at autoscaling's maximum, percentages of a deployment. Of
    the four of Temporal also the seconds a start may take, and pool, connects a second, burst and reservoir at DSQL.
  TEXT
  type = map(object({
    cpu                 = number
    memory              = number
    planned_count       = number
    autoscale_max       = number
    min_healthy_percent = number
    max_percent         = number
    start_period_s      = optional(number)
    dsql_pool_size      = optional(number)
    dsql_rate_per_s     = optional(number)
    dsql_burst          = optional(number)
    dsql_reservoir      = optional(number, 0)
  }))
  nullable = false

  validation {
    condition     = toset(keys(var.services)) == toset(["history", "matching", "frontend", "worker", "ui", "grafana", "collector"])
    error_message = "Expected services history, matching, frontend, worker, ui, grafana and collector, got ${join(", ", keys(var.services))}. Set services from a profile of infra/profiles."
  }

  validation {
    condition = alltrue([for name in ["history", "matching", "frontend", "worker"] : try(
      var.services[name].start_period_s > 0 && var.services[name].dsql_pool_size > 0 && var.services[name].dsql_rate_per_s > 0 && var.services[name].dsql_burst > 0, false
    )])
    error_message = "Expected start_period_s, dsql_pool_size, dsql_rate_per_s and dsql_burst of each of Temporal's services, not so: ${join(", ", [
      for name in ["history", "matching", "frontend", "worker"] : name if !try(
        var.services[name].start_period_s > 0 && var.services[name].dsql_pool_size > 0 && var.services[name].dsql_rate_per_s > 0 && var.services[name].dsql_burst > 0, false
      )
    ])}. Set them in services."
  }

  validation {
    condition     = alltrue([for one in var.services : one.planned_count >= 1 && one.autoscale_max >= one.planned_count])
    error_message = "Expected at least one task of each service and autoscale_max no lower than planned_count, not so: ${join(", ", [for name, one in var.services : "${name} (${one.planned_count}, ${one.autoscale_max})" if !(one.planned_count >= 1 && one.autoscale_max >= one.planned_count)])}. Set services."
  }
}

variable "capacity_pools" {
  description = "Pools of instances: main for everything that lasts, benchmark for load, which starts from none."
  type = map(object({
    instance_type = string
    min           = number
    max           = number
    desired       = number
  }))
  nullable = false

  validation {
    condition     = toset(keys(var.capacity_pools)) == toset(["main", "benchmark"])
    error_message = "Expected the pools main and benchmark, got ${join(", ", keys(var.capacity_pools))}. Set capacity_pools from a profile of infra/profiles."
  }

  validation {
    condition     = try(var.capacity_pools["benchmark"].min == 0 && var.capacity_pools["benchmark"].desired == 0, true)
    error_message = "Expected the pool benchmark to start from no instance, got min ${try(var.capacity_pools["benchmark"].min, 0)} and desired ${try(var.capacity_pools["benchmark"].desired, 0)}. Set both to 0: ECS adds instances when a benchmark runs."
  }
}

variable "benchmark" {
  description = "The benchmark's generator and workers: CPU units and MiB of a task, and the workers planned."
  type = object({
    generator_cpu    = number
    generator_memory = number
    worker_cpu       = number
    worker_memory    = number
    worker_count     = number
  })
  nullable = false
}

variable "dsql" {
  description = "Lifetime of connections and its jitter, and whether one limit of connects a second is shared by all tasks."
  type = object({
    connection_lifetime         = string
    connection_lifetime_jitter  = number
    distributed_limiter         = bool
    distributed_limit_per_s     = optional(number, 100)
    staggered_startup_max_delay = optional(string, "5s")
  })
  nullable = false

  # DSQL ends a connection after 60 minutes: "Cluster quotas and database limits", read in November 2026.
  validation {
    condition     = can(regex("^(?:[0-9]|[1-4][0-9]|5[0-9])m$|^[0-9]{1,3}s$|^[12][0-9]{3}s$|^3[0-4][0-9]{2}s$|^35[0-9]{2}s$", var.dsql.connection_lifetime))
    error_message = "Expected dsql.connection_lifetime below DSQL's 60 minutes, such as 55m or 3300s, got '${var.dsql.connection_lifetime}'. Set dsql.connection_lifetime."
  }

  validation {
    condition     = var.dsql.connection_lifetime_jitter >= 0 && var.dsql.connection_lifetime_jitter < 1
    error_message = "Expected dsql.connection_lifetime_jitter from 0 to below 1, got ${var.dsql.connection_lifetime_jitter}. Set dsql.connection_lifetime_jitter."
  }
}
