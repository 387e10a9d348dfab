variable "services" {
  description = <<-TEXT
    Every service that connects, as the connection budget sees it: replicas planned and at autoscaling's maximum,
    maximumPercent of a deployment, and rate, burst, pool and reservoir of one process.
  TEXT
  type = map(object({
    planned_count = number
    autoscale_max = number
    max_percent   = number
    rate_per_s    = number
    burst         = number
    pool_size     = number
    reservoir     = number
  }))
  nullable = false

  validation {
    condition = alltrue([for one in var.services :
      one.planned_count >= 0 && one.autoscale_max >= one.planned_count && floor(one.planned_count) == one.planned_count && floor(one.autoscale_max) == one.autoscale_max
    ])
    error_message = "services need whole counts with autoscale_max no lower than planned_count; not so: ${join("; ", [
      for name, one in var.services : "${name} (planned_count ${one.planned_count}, autoscale_max ${one.autoscale_max})"
      if !(one.planned_count >= 0 && one.autoscale_max >= one.planned_count && floor(one.planned_count) == one.planned_count && floor(one.autoscale_max) == one.autoscale_max)
    ])}. Without autoscaling set both to the same."
  }

  validation {
    condition = alltrue([for one in var.services : one.max_percent >= 100])
    error_message = "services need a max_percent of 100 or more (100: no replica beyond the count while deploying); not so: ${join("; ", [
      for name, one in var.services : "${name} (${one.max_percent})" if one.max_percent < 100
    ])}."
  }

  validation {
    condition = alltrue([for one in var.services :
      one.pool_size >= 1 && one.reservoir >= 0 && floor(one.pool_size) == one.pool_size && floor(one.reservoir) == one.reservoir
    ])
    error_message = "services need a whole pool_size of at least 1 and a whole reservoir of at least 0; not so: ${join("; ", [
      for name, one in var.services : "${name} (pool_size ${one.pool_size}, reservoir ${one.reservoir})"
      if !(one.pool_size >= 1 && one.reservoir >= 0 && floor(one.pool_size) == one.pool_size && floor(one.reservoir) == one.reservoir)
    ])}."
  }

  validation {
    condition = alltrue([for one in var.services : one.rate_per_s > 0 && one.burst >= 1 && floor(one.burst) == one.burst])
    error_message = "services need a rate_per_s above 0 and a whole burst of at least 1, or nothing ever connects; not so: ${join("; ", [
      for name, one in var.services : "${name} (rate_per_s ${one.rate_per_s}, burst ${one.burst})"
      if !(one.rate_per_s > 0 && one.burst >= 1 && floor(one.burst) == one.burst)
    ])}."
  }
}

variable "operators" {
  description = "What of the cluster's limits is kept for the operators' own tools: probe, schema, a psql or two."
  type = object({
    connections = optional(number, 10)
    rate_per_s  = optional(number, 2)
    burst       = optional(number, 20)
  })
  default  = {}
  nullable = false
}

variable "limiter" {
  description = "local: each process keeps to its own rate. distributed: all count in the table as well, limit_per_s together."
  type = object({
    mode        = optional(string, "local")
    limit_per_s = optional(number, 100)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["local", "distributed"], var.limiter.mode)
    error_message = "limiter.mode must be local or distributed; it is \"${var.limiter.mode}\"."
  }

  validation {
    condition     = var.limiter.limit_per_s >= 1 && floor(var.limiter.limit_per_s) == var.limiter.limit_per_s
    error_message = "limiter.limit_per_s must be a whole number of at least 1; it is ${var.limiter.limit_per_s}."
  }
}

# Defaults: "Cluster quotas and database limits in Amazon Aurora DSQL", AWS, read in November 2026.
variable "limits" {
  description = "What the cluster admits: open connections (AWS raises it on request), new ones a second, and at once."
  type = object({
    connections = optional(number, 10000)
    rate_per_s  = optional(number, 100)
    burst       = optional(number, 1000)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for sum in local.connection_sums : sum.total <= var.limits.connections])
    error_message = <<-TEXT
      The services can open more connections than DSQL admits (${var.limits.connections}):
      ${join("\n", [for sum in local.connection_sums : "${sum.text} connections, ${sum.title}" if sum.total > var.limits.connections])}
      Lower pool_size, reservoir, autoscale_max or max_percent, or set limits.connections to what AWS has granted.
    TEXT
  }

  validation {
    condition     = var.limiter.mode == "distributed" || alltrue([for sum in local.rate_sums : sum.total <= var.limits.rate_per_s])
    error_message = <<-TEXT
      The services can open connections faster than DSQL admits (${var.limits.rate_per_s}/s):
      ${join("\n", [for sum in local.rate_sums : "${sum.text} connects/s, ${sum.title}" if sum.total > var.limits.rate_per_s])}
      Lower rate_per_s, autoscale_max or max_percent, or set limiter.mode to distributed.
    TEXT
  }

  validation {
    condition     = alltrue([for sum in local.burst_sums : sum.total <= var.limits.burst])
    error_message = <<-TEXT
      The services can open more connections at once than DSQL admits (${var.limits.burst}):
      ${join("\n", [for sum in local.burst_sums : "${sum.text} connects at once, ${sum.title}" if sum.total > var.limits.burst])}
      Lower burst, autoscale_max or max_percent.
    TEXT
  }

  validation {
    condition     = var.limiter.limit_per_s <= var.limits.rate_per_s
    error_message = "limiter.limit_per_s must not exceed the ${var.limits.rate_per_s}/s that DSQL admits; it is ${var.limiter.limit_per_s}."
  }
}
