variable "backup" {
  description = "When AWS Backup copies the cluster (UTC), and how long it keeps a copy."
  type = object({
    enabled        = optional(bool, true)
    schedule       = optional(string, "cron(0 3 * * ? *)")
    retention_days = optional(number, 35)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^(?:cron|rate)\\(.+\\)$", var.backup.schedule))
    error_message = "backup.schedule must be cron(…) or rate(…), for example cron(0 3 * * ? *); it is \"${var.backup.schedule}\"."
  }

  validation {
    condition     = var.backup.retention_days >= 1 && var.backup.retention_days <= 36500 && floor(var.backup.retention_days) == var.backup.retention_days
    error_message = "backup.retention_days must be whole days from 1 to 36500; it is ${var.backup.retention_days}."
  }
}
