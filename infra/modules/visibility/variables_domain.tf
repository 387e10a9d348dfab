variable "subnet_ids" {
  description = "Private subnets, one in each of three zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "Expected subnets in three zones, since the domain keeps each document in more than one, got ${length(var.subnet_ids)}. Set subnet_ids from module network."
  }
}

variable "group_id" {
  description = "Security group of the domain: it admits those who search and write, on 443."
  type        = string
  nullable    = false
}

variable "engine_version" {
  description = "OpenSearch's version."
  type        = string
  default     = "OpenSearch_2.19"
  nullable    = false

  validation {
    condition     = can(regex("^OpenSearch_[23]\\.[0-9]+$", var.engine_version))
    error_message = "Expected engine_version such as OpenSearch_2.19, since Temporal's visibility is tested on OpenSearch 2 and 3, got '${var.engine_version}'. Set engine_version."
  }
}

variable "instance_type" {
  description = "Instance type of the data nodes; Graviton."
  type        = string
  default     = "m6g.large.search"
  nullable    = false

  validation {
    condition     = can(regex("^(?:[cmr][6-9]g|or[12]|om2|oi2)[a-z]*\\.[a-z0-9]+\\.search$", var.instance_type))
    error_message = "Expected a Graviton type of OpenSearch with encryption and gp3 disks, such as m6g.large.search, got '${var.instance_type}'. Set instance_type."
  }
}

variable "instance_count" {
  description = "Data nodes: as many in each zone."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.instance_count >= 3 && var.instance_count % 3 == 0
    error_message = "Expected instance_count to be 3 or another multiple of three, so that the loss of a zone leaves two thirds, got ${var.instance_count}. Set instance_count."
  }
}

variable "dedicated_masters" {
  description = "Whether three nodes of their own lead the domain. Without them the three data nodes do."
  type        = bool
  default     = false
  nullable    = false
}

variable "volume_gib" {
  description = "Disk of a data node in GiB, gp3."
  type        = number
  default     = 100
  nullable    = false

  # m6g.large.search takes 10 to 512 GiB: "Amazon OpenSearch Service quotas", EBS volume size, read in November 2026.
  validation {
    condition     = var.volume_gib >= 10 && var.volume_gib <= 12288 && floor(var.volume_gib) == var.volume_gib
    error_message = "Expected volume_gib to be whole GiB from 10, got ${var.volume_gib}. Set volume_gib."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the domain; null: AWS's own, aws/es."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "Expected kms_key_arn to be a key's ARN (arn:aws:kms:<region>:<account>:key/<id>), or null, got '${coalesce(var.kms_key_arn, "null")}'. Set kms_key_arn."
  }
}

variable "index" {
  description = "Index of the visibility store."
  type        = string
  default     = "temporal_visibility_v1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{0,199}$", var.index))
    error_message = "Expected index to be a name of lower-case letters, digits, '_', '-' and '.', beginning with a letter or digit, got '${var.index}'. Set index."
  }
}

variable "master_role_arn" {
  description = "Role of the task that makes the index and maps the servers' roles: the domain's master user."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/", var.master_role_arn))
    error_message = "Expected master_role_arn to be the ARN of an IAM role, got '${var.master_role_arn}'. Set master_role_arn from the visibility task's output."
  }
}

variable "server_role_arns" {
  description = "Task roles of Temporal's servers."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.server_role_arns) > 0 && alltrue([for arn in var.server_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/", arn))])
    error_message = "Expected the ARNs of the servers' task roles, got [${join(", ", var.server_role_arns)}]. Set server_role_arns from the services' outputs."
  }
}
