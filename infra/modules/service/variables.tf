variable "project" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,16}$", var.project))
    error_message = "Expected a project of 2 to 17 lower-case letters, digits and '-', the first a letter, got '${var.project}'. Set project."
  }
}

variable "region" {
  description = "Region of the service."
  type        = string
}

variable "account_id" {
  description = "Account of the service: 12 digits."
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

variable "name" {
  description = "Name of the service, its task family and its container, without the project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,29}$", var.name))
    error_message = "Expected a name of 1 to 30 lower-case letters, digits and '-', such as history, got '${var.name}'. Set name."
  }

  validation {
    condition     = var.name != "exec"
    error_message = "Expected another name than exec: /ecs/<project>/exec is the log group of ECS Exec's sessions. Set name."
  }
}

variable "desired" {
  description = "What is wanted: a service that runs until stopped, or a task that `auroral` starts by itself and that ends."
  type        = string
  default     = "service"

  validation {
    condition     = contains(["service", "task"], var.desired)
    error_message = "Expected desired to be service or task, got '${var.desired}'. Set one of them."
  }
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
  description = "Capacity provider of the pool, from module cluster's output, so that it is attached first. A task gets it from who starts it."
  type        = string
  default     = null

  validation {
    condition     = var.desired == "task" || var.capacity_provider != null
    error_message = "Expected the capacity provider of ${var.name}, got none: a service's tasks would have nowhere to run. Set capacity_provider, such as module.cluster.capacity_providers[\"main\"]."
  }
}

variable "workload" {
  description = "Pool whose instances may run it: the value of their attribute workload."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.workload))
    error_message = "Expected workload to be the name of a pool, such as main or benchmark, got '${var.workload}'. Set workload."
  }
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "Expected the private subnets of ${var.name}, got none. Set subnet_ids from module network."
  }
}

variable "group_id" {
  description = "The security group of this service alone; never that of the instances."
  type        = string
}

variable "cpu" {
  description = "CPU units of a task (1024 for each vCPU). With Service Connect its proxy takes part of them."
  type        = number

  validation {
    # ECS, task definition parameters: 128 to 196608 CPU units for tasks on EC2.
    condition     = var.cpu >= 128 && var.cpu <= 196608 && floor(var.cpu) == var.cpu
    error_message = "Expected cpu of ${var.name} to be 128 to 196608 CPU units (1024 for each vCPU), got ${var.cpu}. Set cpu."
  }
}

variable "memory" {
  description = "Memory of a task in MiB: a hard limit."
  type        = number

  validation {
    condition     = var.memory >= 128 && floor(var.memory) == var.memory
    error_message = "Expected memory of ${var.name} to be a whole number of MiB from 128, got ${var.memory}. Set memory."
  }
}

variable "log_retention_days" {
  description = "Days that its log is kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Expected log_retention_days to be a retention that CloudWatch Logs knows (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, …), got ${var.log_retention_days}. Set one of them."
  }
}

variable "log_kms_key_arn" {
  description = "Key of its log group, and of ECS Exec's sessions."
  type        = string
}

variable "exec_log_group" {
  description = "Log group of ECS Exec's sessions, from module cluster."
  type        = string
}
