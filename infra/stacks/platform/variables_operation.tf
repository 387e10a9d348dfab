variable "ami_id" {
  description = "Image of the instances; null: the recommended ECS-optimized Amazon Linux 2023 for ARM64, asked of SSM."
  type        = string
  default     = null
}

variable "server_environment" {
  description = "More environment of Temporal's servers, such as LOG_LEVEL: docs/reference/server-environment.md."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.server_environment), local.reserved_environment)) == 0
    error_message = "Expected server_environment without what the connection budget or this stack decides, got ${join(", ", setintersection(keys(var.server_environment), local.reserved_environment))}. Set these by services, dsql, dsql_cluster or opensearch."
  }
}

variable "benchmark_namespace" {
  description = "Temporal namespace of benchmarks."
  type        = string
  default     = "benchmark"
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "flow_log_retention_days" {
  description = "Days that the VPC's flow logs are kept."
  type        = number
  default     = 365
  nullable    = false
}

variable "container_insights" {
  description = "Container Insights: enhanced (per task), enabled (per service); disabled also ends the alarms on missing tasks."
  type        = string
  default     = "enhanced"
  nullable    = false
}

variable "alarm_emails" {
  description = "Addresses that hear of alarms and alerts; each has to confirm once."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "alarm_thresholds" {
  description = "When alarms are raised; what is left out stays as module observability has it."
  type = object({
    cpu_percent         = optional(number)
    connections_percent = optional(number)
    conflict_percent    = optional(number)
    commit_ms           = optional(number)
    missing_tasks_s     = optional(number)
  })
  default  = {}
  nullable = false
}

variable "rule_groups" {
  description = "Recording and alerting rules beside the stack's own, by name: each the text of a rule file of Prometheus. One with the name of a file of rules/ takes its place, and leaves it out where it is empty."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "collector_config" {
  description = "Configuration of the collector; null: collector.yaml of this stack."
  type        = string
  default     = null
}
