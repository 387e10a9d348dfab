variable "project" {
  description = "Prefix of every name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,16}$", var.project))
    error_message = "Expected a project of 2 to 17 lower-case letters, digits and '-', the first a letter, got '${var.project}'. Set project."
  }
}

variable "region" {
  description = "Region of what this module makes."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account of what this module makes: 12 digits."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "Expected an account id of 12 digits, got '${var.account_id}'. Set account_id."
  }
}

variable "partition" {
  description = "Partition of every ARN."
  type        = string
  default     = "aws"
  nullable    = false
}

variable "emails" {
  description = "Addresses that hear of alarms; each has to confirm once."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "Expected e-mail addresses, got [${join(", ", var.emails)}]. Set emails."
  }
}

variable "cluster_name" {
  description = "ECS cluster."
  type        = string
  nullable    = false
}

variable "services" {
  description = "Short names of the services to watch, such as history."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.services) > 0
    error_message = "Expected the services to watch, got none. Set services."
  }
}

variable "pools" {
  description = "Capacity provider of each pool to watch, by the pool's name."
  type        = map(string)
  nullable    = false
}

variable "dsql" {
  description = "DSQL cluster to watch, and the connections that it admits."
  type = object({
    identifier  = string
    connections = optional(number, 10000)
  })
  nullable = false
}

variable "opensearch" {
  description = "OpenSearch domain to watch: name, data nodes, and GiB of each."
  type = object({
    domain_name    = string
    instance_count = number
    volume_gib     = number
  })
  nullable = false
}

variable "thresholds" {
  description = <<-TEXT
    When an alarm is raised: percent of CPU and of connections, percent of transactions in conflict, median milliseconds of
    a commit, seconds that a service lacks tasks.
  TEXT
  type = object({
    cpu_percent         = optional(number, 85)
    connections_percent = optional(number, 90)
    conflict_percent    = optional(number, 20)
    commit_ms           = optional(number, 50)
    missing_tasks_s     = optional(number, 600)
  })
  default  = {}
  nullable = false

  validation {
    condition = alltrue([for percent in [var.thresholds.cpu_percent, var.thresholds.connections_percent, var.thresholds.conflict_percent] :
      percent > 0 && percent <= 100
    ]) && var.thresholds.commit_ms > 0
    error_message = "Expected thresholds with percentages over 0 to 100 and commit_ms over 0, got ${jsonencode(var.thresholds)}. Set thresholds."
  }

  validation {
    condition     = var.thresholds.missing_tasks_s >= 60 && var.thresholds.missing_tasks_s % 60 == 0
    error_message = "Expected thresholds.missing_tasks_s in whole minutes, at least 60, got ${var.thresholds.missing_tasks_s}. Set thresholds.missing_tasks_s."
  }
}
