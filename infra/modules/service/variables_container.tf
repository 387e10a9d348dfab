variable "image" {
  description = "Image by digest, such as 111122223333.dkr.ecr.us-east-1.amazonaws.com/dev/server@sha256:…"
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.:/_-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Expected the image of ${var.name} by digest (repository@sha256:…), so that every task runs the same one, got '${var.image}'. Set image from the file that `auroral images push` writes."
  }
}

variable "entry_point" {
  description = "Entry point instead of the image's."
  type        = list(string)
  default     = null
}

variable "command" {
  description = "Command instead of the image's."
  type        = list(string)
  default     = null
}

variable "user" {
  description = "User and group, never root."
  type        = string
  default     = "10001:10001"

  validation {
    condition     = can(regex("^[1-9][0-9]*(:[0-9]+)?$", var.user))
    error_message = "Expected the user of ${var.name} as numbers, uid or uid:gid, and not root (0), got '${var.user}'. Set user."
  }
}

variable "environment" {
  description = "Environment. AWS_REGION is set to region where it is not given: ECS on EC2 sets none, and tasks cannot ask the instance."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", key))])
    error_message = "Expected names of environment variables, got ${join(", ", [for key in keys(var.environment) : "'${key}'" if !can(regex("^[A-Za-z_][A-Za-z0-9_]*$", key))])}. Set environment of ${var.name}."
  }

  validation {
    condition     = !anytrue([for key in keys(var.environment) : can(regex("(PASSWORD|PWD|SECRET|TOKEN|API_KEY|KEY_DATA)$", key))])
    error_message = "Expected no secret among the environment of ${var.name}, since plans and task definitions show it, got ${join(", ", [for key in keys(var.environment) : key if can(regex("(PASSWORD|PWD|SECRET|TOKEN|API_KEY|KEY_DATA)$", key))])}. Set the ARN of a secret in secrets instead."
  }
}

variable "secrets" {
  description = "Environment from secrets: ARN of a Secrets Manager secret (with :key:: for one value of its JSON) or of an SSM parameter."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.secrets) : can(regex("^arn:[^:]+:(secretsmanager:[^:]+:[0-9]+:secret:[^:]+|ssm:[^:]+:[0-9]+:parameter/.+)", arn))])
    error_message = "Expected ARNs of Secrets Manager secrets or SSM parameters, never a value, for ${join(", ", [for name, arn in var.secrets : name if !can(regex("^arn:[^:]+:(secretsmanager:[^:]+:[0-9]+:secret:[^:]+|ssm:[^:]+:[0-9]+:parameter/.+)", arn))])}. Set secrets of ${var.name}."
  }

  validation {
    condition     = length(setintersection(keys(var.secrets), keys(var.environment))) == 0
    error_message = "Expected each variable of ${var.name} once, got ${join(", ", setintersection(keys(var.secrets), keys(var.environment)))} both in secrets and in environment. Remove one."
  }
}

variable "secret_kms_key_arns" {
  description = "Keys that its secrets are encrypted with, where these are not AWS's own."
  type        = list(string)
  default     = []
}

variable "ports" {
  description = "TCP ports that the container listens on, each with its name."
  type        = list(object({ name = string, port = number }))
  default     = []

  validation {
    condition = alltrue([
      for it in var.ports : can(regex("^[a-z0-9][a-z0-9_-]{0,63}$", it.name)) && it.port >= 1 && it.port <= 65535 && floor(it.port) == it.port
    ])
    error_message = "Expected ports with a name of lower-case letters, digits, '_' and '-', and a number from 1 to 65535, got ${jsonencode(var.ports)}. Set ports of ${var.name}."
  }

  validation {
    condition     = length(distinct([for it in var.ports : it.name])) == length(var.ports) && length(distinct([for it in var.ports : it.port])) == length(var.ports)
    error_message = "Expected each name and each port once, got ${jsonencode(var.ports)}. Set ports of ${var.name}."
  }
}

variable "health_check" {
  description = "Health check of the container; every service has one. start_period_s: what `auroral-server start-period` says of the pool and rate."
  type = object({
    command        = list(string)
    interval_s     = optional(number, 10)
    timeout_s      = optional(number, 5)
    retries        = optional(number, 3)
    start_period_s = optional(number, 60)
  })
  default = null

  validation {
    condition     = var.desired == "task" || var.health_check != null
    error_message = "Expected a health check of the service ${var.name}, got none: a deployment would pass with tasks that do nothing. Set health_check."
  }

  validation {
    condition     = var.health_check == null ? true : contains(["CMD", "CMD-SHELL"], try(var.health_check.command[0], "")) && length(var.health_check.command) >= 2
    error_message = "Expected the command of ${var.name}'s health check to be CMD or CMD-SHELL and what to run, got ${jsonencode(try(var.health_check.command, []))}. Set health_check.command."
  }

  validation {
    # ECS, HealthCheck: interval 5 to 300 s, timeout 2 to 60 s, retries 1 to 10, startPeriod 0 to 300 s.
    condition = var.health_check == null ? true : (
      var.health_check.interval_s >= 5 && var.health_check.interval_s <= 300 &&
      var.health_check.timeout_s >= 2 && var.health_check.timeout_s <= 60 &&
      var.health_check.retries >= 1 && var.health_check.retries <= 10 &&
      var.health_check.start_period_s >= 0 && var.health_check.start_period_s <= 300
    )
    error_message = "Expected ${var.name}'s health check with an interval of 5 to 300 s, a timeout of 2 to 60 s, 1 to 10 retries and a start period of 0 to 300 s, got ${jsonencode(var.health_check)}. Set health_check; a warm-up over 300 s needs a smaller pool or a higher rate."
  }
}

variable "stop_timeout_s" {
  description = "Seconds between SIGTERM and SIGKILL. auroral-server drains for AURORAL_STOP_TIMEOUT, 100 s by default, which must be less."
  type        = number
  default     = 120

  validation {
    condition     = var.stop_timeout_s >= 2 && var.stop_timeout_s <= 120
    error_message = "Expected stop_timeout_s of ${var.name} from 2 to 120 seconds, got ${var.stop_timeout_s}. Set stop_timeout_s."
  }
}

variable "tmpfs" {
  description = "Folders in memory that the container may write: path and MiB, which count as the task's memory."
  type        = list(object({ path = string, size_mib = number }))
  default     = []

  validation {
    condition     = alltrue([for it in var.tmpfs : startswith(it.path, "/") && it.size_mib >= 1 && it.size_mib < var.memory])
    error_message = "Expected absolute paths and sizes from 1 MiB to below the task's memory (${var.memory} MiB), got ${jsonencode(var.tmpfs)}. Set tmpfs of ${var.name}."
  }
}
