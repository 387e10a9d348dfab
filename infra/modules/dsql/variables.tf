variable "project" {
  description = "Name of the deployment: the prefix of every name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](?:[a-z0-9-]{0,15}[a-z0-9])?$", var.project))
    error_message = "project must be 1 to 17 lower-case letters, digits and inner hyphens, with a letter first; it is \"${var.project}\". Set a shorter or simpler name."
  }
}

variable "region" {
  description = "Region of the cluster."
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
  description = "Account of the limiter table: with it a plan knows the table's ARN. Null: known once it is created."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits, or null; it is \"${coalesce(var.account_id, "null")}\"."
  }
}

variable "create" {
  description = "Whether to create the cluster; false: use `existing`."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.create == (var.existing == null)
    error_message = "Either create a cluster or name one: create is ${var.create} and existing is ${var.existing == null ? "not set" : "set"}. ${var.create ? "Set create to false, or leave existing out." : "Set existing, or create to true."}"
  }
}

variable "existing" {
  description = "A cluster that is there already; `endpoint` is its public host name."
  type = object({
    identifier                = string
    arn                       = string
    endpoint                  = string
    vpc_endpoint_service_name = string
  })
  default = null

  validation {
    condition     = try(can(regex("^[a-z0-9]{26}$", var.existing.identifier)), false) || var.existing == null
    error_message = "existing.identifier must be the 26 lower-case letters and digits of the cluster's id; it is \"${try(var.existing.identifier, "")}\"."
  }

  validation {
    condition     = try(can(regex("^arn:[a-z-]+:dsql:${var.region}:[0-9]{12}:cluster/${var.existing.identifier}$", var.existing.arn)), false) || var.existing == null
    error_message = "existing.arn must name the cluster ${try(var.existing.identifier, "")} in ${var.region} (arn:${var.partition}:dsql:${var.region}:<account>:cluster/<identifier>); it is \"${try(var.existing.arn, "")}\"."
  }

  validation {
    condition     = try(var.existing.endpoint == "${var.existing.identifier}.dsql.${var.region}.on.aws", false) || var.existing == null
    error_message = "existing.endpoint must be the cluster's public host name, ${try(var.existing.identifier, "<identifier>")}.dsql.${var.region}.on.aws; it is \"${try(var.existing.endpoint, "")}\"."
  }

  validation {
    condition     = try(can(regex("^com\\.amazonaws\\.${var.region}\\.dsql-[a-z0-9]+$", var.existing.vpc_endpoint_service_name)), false) || var.existing == null
    error_message = "existing.vpc_endpoint_service_name must look like com.amazonaws.${var.region}.dsql-<suffix>; it is \"${try(var.existing.vpc_endpoint_service_name, "")}\". `aws dsql get-vpc-endpoint-service-name --identifier ${try(var.existing.identifier, "<identifier>")}` prints it."
  }
}

variable "deletion_protection" {
  description = "Whether DSQL refuses to delete the cluster."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts cluster and backups; null: a key that AWS owns for the cluster, aws/backup for backups."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be a key's ARN (arn:aws:kms:<region>:<account>:key/<id>), or null; it is \"${coalesce(var.kms_key_arn, "null")}\"."
  }
}

variable "vpc_id" {
  description = "VPC of the private endpoint."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Subnets of the private endpoint, one for each zone."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in at least two zones, or the loss of one zone cuts every service off; there are ${length(var.subnet_ids)}."
  }
}

variable "group_id" {
  description = "Security group of the private endpoint: it admits those who may connect, on 5432."
  type        = string
  nullable    = false
}
