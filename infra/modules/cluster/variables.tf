variable "project" {
  description = "Prefix of every name; also the cluster's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,16}$", var.project))
    error_message = "Expected a project of 2 to 17 lower-case letters, digits and '-', the first a letter, got '${var.project}'. Set project."
  }
}

variable "region" {
  description = "Region of the cluster."
  type        = string
}

variable "account_id" {
  description = "Account of the cluster: 12 digits."
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

variable "vpc_id" {
  description = "VPC in which the DNS names of services answer."
  type        = string
}

variable "capacity_providers" {
  description = "Capacity providers to attach, by pool: the names that module capacity returns."
  type        = map(string)

  validation {
    condition     = length(var.capacity_providers) > 0
    error_message = "Expected at least one capacity provider, got none: no task could be placed. Set capacity_providers, such as { main = module.main.capacity_provider_name }."
  }
}

variable "container_insights" {
  description = "Container Insights: enhanced (per task and container), enabled (per service), or disabled."
  type        = string
  default     = "enhanced"

  validation {
    condition     = contains(["enhanced", "enabled", "disabled"], var.container_insights)
    error_message = "Expected container_insights to be enhanced, enabled or disabled, got '${var.container_insights}'. Set one of them."
  }
}

variable "log_retention_days" {
  description = "Days that sessions of ECS Exec and the performance events of Container Insights are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Expected log_retention_days to be a retention that CloudWatch Logs knows (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, …), got ${var.log_retention_days}. Set one of them."
  }
}
