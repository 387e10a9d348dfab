variable "project" {
  description = "Name of the deployment: the prefix of every name."
  type        = string
  default     = "auroral"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](?:[a-z0-9-]{0,15}[a-z0-9])?$", var.project))
    error_message = "project must be 1 to 17 lower-case letters, digits and inner hyphens, with a letter first; it is \"${var.project}\". Set a shorter or simpler name."
  }
}

variable "region" {
  description = "Region of the deployment."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(?:-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's code such as us-east-1; it is \"${var.region}\"."
  }
}

variable "partition" {
  description = "Partition of the region, for ARNs."
  type        = string
  default     = "aws"
  nullable    = false

  validation {
    condition     = can(regex("^aws(?:-[a-z]+)*$", var.partition))
    error_message = "partition must be aws or aws-<name>; it is \"${var.partition}\"."
  }
}

variable "account_id" {
  description = "The account to deploy to. Credentials of another one are refused."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits; it is \"${var.account_id}\". `aws sts get-caller-identity` prints the one of your credentials."
  }
}

variable "tags" {
  description = "Tags of everything, beside Project and ManagedBy."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.tags), ["Project", "ManagedBy"])) == 0
    error_message = "tags must leave Project and ManagedBy to this stack; they are ${jsonencode(var.tags)}. Rename or remove these two."
  }
}

variable "repositories" {
  description = "Images with a repository <project>/<name>."
  type        = set(string)
  default     = ["server", "benchmark", "grafana", "ui", "collector"]
  nullable    = false

  validation {
    condition     = alltrue([for name in var.repositories : can(regex("^[a-z0-9]+(?:[._-][a-z0-9]+)*$", name))])
    error_message = "repositories must be lower-case letters and digits with single . _ or - between; they are [${join(", ", var.repositories)}]."
  }
}

variable "kept_images" {
  description = "Images that each repository keeps, the newest. Deployments name images by digest: keep more than you may roll back to."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.kept_images >= 10 && floor(var.kept_images) == var.kept_images
    error_message = "kept_images must be a whole number of at least 10, or an image that still runs may go; it is ${var.kept_images}."
  }
}

variable "service_linked_roles" {
  description = "Services whose linked role this stack creates. Leave out those that the account has already."
  type        = set(string)
  nullable    = false
  default = [
    "autoscaling.amazonaws.com",
    "ecs.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "opensearchservice.amazonaws.com",
  ]

  validation {
    condition     = alltrue([for service in var.service_linked_roles : can(regex("^[a-z0-9.-]+\\.amazonaws\\.com$", service))])
    error_message = "service_linked_roles must be service names such as ecs.amazonaws.com; they are [${join(", ", var.service_linked_roles)}]."
  }
}

variable "container_insights" {
  description = "Container Insights of clusters that do not say themselves: enhanced, enabled or disabled."
  type        = string
  default     = "enhanced"
  nullable    = false

  validation {
    condition     = contains(["enhanced", "enabled", "disabled"], var.container_insights)
    error_message = "container_insights must be enhanced, enabled or disabled; it is \"${var.container_insights}\"."
  }
}
