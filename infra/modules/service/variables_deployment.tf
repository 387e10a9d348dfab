variable "planned_count" {
  description = "Tasks that the plan foresees. Terraform creates the service with none and leaves the count to `auroral cluster`."
  type        = number
  default     = 1

  validation {
    condition     = var.planned_count >= 0 && floor(var.planned_count) == var.planned_count
    error_message = "Expected planned_count of ${var.name} to be a whole number from 0, got ${var.planned_count}. Set planned_count."
  }
}

variable "min_healthy_percent" {
  description = "Least percentage of the count that runs during a deployment."
  type        = number
  default     = 100

  validation {
    condition     = var.min_healthy_percent >= 0 && var.min_healthy_percent <= 100
    error_message = "Expected min_healthy_percent of ${var.name} from 0 to 100, got ${var.min_healthy_percent}. Set min_healthy_percent."
  }
}

variable "max_percent" {
  description = "Greatest percentage of the count that runs during a deployment: every task above 100 opens DSQL connections of its own."
  type        = number
  default     = 200

  validation {
    condition     = var.max_percent >= 100 && var.max_percent <= 200
    error_message = "Expected max_percent of ${var.name} from 100 to 200, got ${var.max_percent}. Set max_percent."
  }

  validation {
    # ECS rounds the greatest number down and the least one up.
    condition = var.desired == "task" || var.planned_count == 0 ? true : (
      floor(var.planned_count * var.max_percent / 100) > var.planned_count || ceil(var.planned_count * var.min_healthy_percent / 100) < var.planned_count
    )
    error_message = "Expected a deployment of ${var.name} to be able to replace a task, but of ${var.planned_count} tasks at most ${floor(var.planned_count * var.max_percent / 100)} (${var.max_percent} %) and at least ${ceil(var.planned_count * var.min_healthy_percent / 100)} (${var.min_healthy_percent} %) would run. Set max_percent higher or min_healthy_percent lower."
  }
}

variable "autoscale" {
  description = "Optional scaling by CPU: least and greatest count, and the percentage of CPU to aim at."
  type = object({
    min         = number
    max         = number
    cpu_percent = optional(number, 60)
  })
  default = null

  validation {
    condition     = var.autoscale == null ? true : var.desired == "service" && var.autoscale.min >= 1 && var.autoscale.min <= var.planned_count && var.autoscale.max >= var.planned_count
    error_message = "Expected autoscale of the service ${var.name} with 1 ≤ min ≤ planned_count (${var.planned_count}) ≤ max, got ${jsonencode(var.autoscale)}. Set autoscale."
  }

  validation {
    condition     = var.autoscale == null ? true : var.autoscale.cpu_percent >= 10 && var.autoscale.cpu_percent <= 90
    error_message = "Expected autoscale.cpu_percent of ${var.name} from 10 to 90, got ${try(var.autoscale.cpu_percent, 0)}. Set autoscale.cpu_percent."
  }
}

variable "memory_alarm_percent" {
  description = "Memory use at which a deployment is rolled back: the task's memory is a hard limit."
  type        = number
  default     = 90

  validation {
    condition     = var.memory_alarm_percent >= 50 && var.memory_alarm_percent <= 100
    error_message = "Expected memory_alarm_percent of ${var.name} from 50 to 100, got ${var.memory_alarm_percent}. Set memory_alarm_percent."
  }
}

variable "rollback_alarm_names" {
  description = "More alarms that roll a deployment back, beside that of memory."
  type        = list(string)
  default     = []
}

variable "alarm_topic_arn" {
  description = "Topic that hears of the memory alarm; none: the alarm only rolls back."
  type        = string
  default     = null
}

variable "zone_rebalancing" {
  description = "Whether ECS may move running tasks to even out the zones: each move opens connections outside of a rollout."
  type        = bool
  default     = false

  validation {
    condition     = !var.zone_rebalancing || var.max_percent > 100
    error_message = "Expected max_percent over 100 where zone_rebalancing is on, since ECS starts the new task first, got ${var.max_percent}. Set max_percent of ${var.name}, or zone_rebalancing = false."
  }
}

variable "service_connect" {
  description = "Service Connect: a client of the namespace, or also a server under discovery_name at port_name."
  type = object({
    namespace_arn  = string
    client_only    = optional(bool, false)
    discovery_name = optional(string)
    port_name      = optional(string)
  })
  default = null

  validation {
    # ECS developer guide, Service Connect: it is for the tasks of services.
    condition     = var.service_connect == null || var.desired == "service"
    error_message = "Expected no service_connect for the task ${var.name}: ECS gives it to services only. Remove it, and reach services by their DNS names."
  }

  validation {
    condition = var.service_connect == null ? true : (
      var.service_connect.client_only ? var.service_connect.discovery_name == null && var.service_connect.port_name == null : var.service_connect.discovery_name != null && contains([for it in var.ports : it.name], coalesce(var.service_connect.port_name, "none"))
    )
    error_message = "Expected service_connect of ${var.name} with client_only = true, or with a discovery_name and the port_name of one of its ports (${join(", ", [for it in var.ports : it.name])}), got ${jsonencode(var.service_connect)}. Set service_connect."
  }
}

variable "dns" {
  description = "A private DNS name that answers with the tasks' addresses, for standalone tasks, which have no Service Connect."
  type = object({
    namespace_id = string
    name         = string
    ttl_s        = optional(number, 10)
  })
  default = null

  validation {
    condition     = var.dns == null ? true : var.desired == "service" && can(regex("^[a-z0-9][a-z0-9-]*$", var.dns.name)) && var.dns.ttl_s >= 0
    error_message = "Expected dns of a service with a name of lower-case letters, digits and '-', and ttl_s from 0, got ${jsonencode(var.dns)} for the ${var.desired} ${var.name}. Set dns."
  }
}

variable "task_policy_statements" {
  description = "What the task's role allows, beside ECS Exec."
  type = list(object({
    sid        = string
    actions    = list(string)
    resources  = list(string)
    conditions = optional(list(object({ test = string, variable = string, values = list(string) })), [])
  }))
  default = []

  validation {
    condition     = !anytrue(flatten([for it in var.task_policy_statements : [for action in it.actions : strcontains(action, "*")]]))
    error_message = "Expected every action of ${var.name}'s role by its whole name, got ${join(", ", flatten([for it in var.task_policy_statements : [for action in it.actions : action if strcontains(action, "*")]]))}. Set task_policy_statements."
  }

  validation {
    condition     = length(distinct([for it in var.task_policy_statements : it.sid])) == length(var.task_policy_statements) && alltrue([for it in var.task_policy_statements : can(regex("^[A-Za-z0-9]+$", it.sid)) && length(it.actions) > 0 && length(it.resources) > 0])
    error_message = "Expected statements of ${var.name}'s role each with a sid of its own (letters and digits), actions and resources, got the sids ${join(", ", [for it in var.task_policy_statements : "'${it.sid}'"])}. Set task_policy_statements."
  }
}
