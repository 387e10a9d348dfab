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

variable "log_retention_days" {
  description = "Days that the workspace's log is kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Expected log_retention_days to be a retention that CloudWatch Logs knows (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, …), got ${var.log_retention_days}. Set one of them."
  }
}

variable "log_kms_key_arn" {
  description = "Key of the workspace's log, from module cluster."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the metrics; null: AWS's own. It cannot be changed afterwards."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "Expected kms_key_arn to be a key's ARN (arn:aws:kms:<region>:<account>:key/<id>), or null, got '${coalesce(var.kms_key_arn, "null")}'. Set kms_key_arn."
  }
}

variable "alarm_topic_arn" {
  description = "Topic that the alert manager notifies; its policy admits aps.amazonaws.com."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:", var.alarm_topic_arn))
    error_message = "Expected alarm_topic_arn to be a topic's ARN (arn:aws:sns:<region>:<account>:<name>), got '${var.alarm_topic_arn}'. Set alarm_topic_arn from module observability."
  }
}

variable "rule_groups" {
  description = "Recording and alerting rules by name, each the text of a rule file of Prometheus."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for text in values(var.rule_groups) : can(length(yamldecode(text).groups))])
    error_message = "Expected rule files of Prometheus, YAML with a list of groups; these are none: ${join(", ", [for name, text in var.rule_groups : name if !can(length(yamldecode(text).groups))])}. Set rule_groups."
  }
}

variable "collector_config" {
  description = "Configuration of the collector: its YAML, in which $${env:NAME} stands for the task's environment."
  type        = string
  nullable    = false

  validation {
    condition     = can(yamldecode(var.collector_config).receivers) && can(yamldecode(var.collector_config).service.pipelines)
    error_message = "Expected the collector's configuration as YAML with receivers and service.pipelines, got ${length(var.collector_config)} characters without them. Set collector_config."
  }

  # Of an advanced parameter: "Quotas", Systems Manager Parameter Store, read in November 2026.
  validation {
    condition     = length(var.collector_config) <= 8192
    error_message = "Expected a collector configuration of at most 8192 characters, what a parameter of SSM holds, got ${length(var.collector_config)}. Shorten collector_config."
  }
}
