variable "project" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,16}$", var.project))
    error_message = "Expected a project of 2 to 17 lower-case letters, digits and '-', the first a letter, got '${var.project}'. Set project."
  }
}

variable "region" {
  description = "Region of the benchmark."
  type        = string
}

variable "account_id" {
  description = "Account of the benchmark: 12 digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "Expected an account id of 12 digits, got '${var.account_id}'. Set account_id."
  }
}

variable "partition" {
  description = "Partition of every ARN."
  type        = string
  default     = "aws"
}

variable "cluster_arn" {
  description = "Cluster that runs it."
  type        = string
}

variable "cluster_name" {
  description = "Name of that cluster."
  type        = string
}

variable "capacity_provider" {
  description = "Capacity provider of the benchmark pool, from module cluster's output."
  type        = string
}

variable "workload" {
  description = "Name of the benchmark pool: the value of its instances' attribute workload."
  type        = string
  default     = "benchmark"
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)
}

variable "generator_group_id" {
  description = "Security group of the generator."
  type        = string
}

variable "worker_group_id" {
  description = "Security group of the workers."
  type        = string
}

variable "image" {
  description = "The benchmark image by digest."
  type        = string
}

variable "namespace_arn" {
  description = "Service Connect namespace that the workers are clients of."
  type        = string
}

variable "worker_address" {
  description = "host:port of the frontend for the workers, in Service Connect."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+:[0-9]{1,5}$", var.worker_address))
    error_message = "Expected the frontend's host:port in Service Connect, such as temporal-frontend:7233, got '${var.worker_address}'. Set worker_address."
  }
}

variable "generator_address" {
  description = "host:port of the frontend for the generator, in the private DNS namespace: a standalone task has no Service Connect."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+:[0-9]{1,5}$", var.generator_address))
    error_message = "Expected the frontend's full DNS name and port, such as frontend.dev.internal:7233, since a standalone task has no Service Connect, got '${var.generator_address}'. Set generator_address."
  }
}

variable "temporal_namespace" {
  description = "Temporal namespace of the runs."
  type        = string
  default     = "benchmark"

  validation {
    condition     = can(regex("^benchmark(-[A-Za-z0-9_.-]+)?$", var.temporal_namespace))
    error_message = "Expected temporal_namespace to be benchmark or benchmark-…, the only ones that auroral loads unasked, got '${var.temporal_namespace}'. Set temporal_namespace."
  }
}

variable "task_queues" {
  description = "Task queues that a run is spread over: generator and workers must agree."
  type        = number
  default     = 1

  validation {
    condition     = var.task_queues >= 1 && var.task_queues <= 100 && floor(var.task_queues) == var.task_queues
    error_message = "Expected task_queues to be a whole number from 1 to 100, got ${var.task_queues}. Set task_queues."
  }
}

variable "worker" {
  description = "Workers: CPU units, MiB, how many the plan foresees, and more environment."
  type = object({
    cpu           = optional(number, 4096)
    memory        = optional(number, 4096)
    planned_count = optional(number, 51)
    environment   = optional(map(string), {})
  })
  default = {}

  validation {
    condition     = var.worker.cpu >= 1024 && var.worker.planned_count >= 1
    error_message = "Expected workers of at least 1024 CPU units (a process needs one vCPU), at least one of them, got ${jsonencode(var.worker)}. Set worker."
  }
}

variable "generator" {
  description = "Generator: CPU units, MiB, and more environment."
  type = object({
    cpu         = optional(number, 4096)
    memory      = optional(number, 8192)
    environment = optional(map(string), {})
  })
  default = {}

  validation {
    condition     = var.generator.cpu >= 2048
    error_message = "Expected a generator of at least 2048 CPU units (one vCPU starts workflows, one watches them), got ${var.generator.cpu}. Set generator.cpu."
  }
}

variable "results_retention_days" {
  description = "Days after which results are deleted; none: kept."
  type        = number
  default     = null

  validation {
    condition     = var.results_retention_days == null ? true : var.results_retention_days >= 1
    error_message = "Expected results_retention_days to be at least 1, got ${coalesce(var.results_retention_days, 0)}. Set it, or leave it out to keep results."
  }
}

variable "log_retention_days" {
  description = "Days that the logs are kept."
  type        = number
  default     = 30
}

variable "log_kms_key_arn" {
  description = "Key of the log groups, from module cluster."
  type        = string
}

variable "exec_log_group" {
  description = "Log group of ECS Exec's sessions, from module cluster."
  type        = string
}

variable "alarm_topic_arn" {
  description = "Topic that hears of the workers' memory alarm."
  type        = string
  default     = null
}
