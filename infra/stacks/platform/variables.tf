variable "project" {
  description = "Name of the deployment: the prefix of every name."
  type        = string
  default     = "auroral"
  nullable    = false

  # OpenSearch takes 28 characters for <project>-visibility: "CreateDomain", API reference, read in November 2026.
  validation {
    condition     = can(regex("^[a-z](?:[a-z0-9-]{0,15}[a-z0-9])$", var.project))
    error_message = "Expected a project of 2 to 17 lower-case letters, digits and inner hyphens, the first a letter (names such as <project>-visibility may have 28 characters), got '${var.project}'. Set project."
  }

  validation {
    condition     = !can(regex("^(aws|ecs|fargate)", var.project))
    error_message = "Expected a project that does not begin with aws, ecs or fargate, since ECS refuses capacity providers of such names, got '${var.project}'. Set another project."
  }
}

variable "region" {
  description = "Region of the deployment."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(?:-[a-z]+)+-[0-9]$", var.region))
    error_message = "Expected a region's code such as us-east-1, got '${var.region}'. Set region."
  }
}

variable "account_id" {
  description = "The account to deploy to. Credentials of another one are refused."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "Expected an account id of 12 digits, got '${var.account_id}'. `aws sts get-caller-identity` prints the one of your credentials."
  }
}

variable "partition" {
  description = "Partition of the region, for ARNs."
  type        = string
  default     = "aws"
  nullable    = false

  validation {
    condition     = can(regex("^aws(?:-[a-z]+)*$", var.partition))
    error_message = "Expected partition to be aws or aws-<name>, got '${var.partition}'. Set partition."
  }
}

variable "tags" {
  description = "Tags of everything, beside Project and ManagedBy."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.tags), ["Project", "ManagedBy"])) == 0
    error_message = "Expected tags without Project and ManagedBy, which this stack sets, got ${jsonencode(var.tags)}. Rename or remove these two."
  }
}
