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
  description = "Region of the VPC."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(?:-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's code such as us-east-1; it is \"${var.region}\"."
  }
}

variable "account_id" {
  description = "Account whose principals and buckets the endpoints admit; null: no endpoint has a policy of its own."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits, or null; it is \"${coalesce(var.account_id, "null")}\"."
  }
}

variable "cidr" {
  description = "Address range of the VPC. Each zone gets a sixteenth of it for tasks and instances: 4,091 addresses of a /16."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "cidr must be an IPv4 range from /16 to /20 (every task takes an address), for example 10.0.0.0/16; it is \"${var.cidr}\"."
  }

  validation {
    condition     = try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], false)
    error_message = "cidr must begin at the first address of its range; it is \"${var.cidr}\". Set ${try("${cidrhost(var.cidr, 0)}/${split("/", var.cidr)[1]}", "a range such as 10.0.0.0/16")}."
  }
}

variable "zones" {
  description = "The three availability zones, in the order of every list of subnets."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zones) == 3 && length(distinct(var.zones)) == 3
    error_message = "zones must be three different availability zones; they are [${join(", ", var.zones)}]."
  }

  validation {
    condition     = alltrue([for zone in var.zones : startswith(zone, var.region)])
    error_message = "zones must lie in region ${var.region}; they are [${join(", ", var.zones)}]. Set zones such as ${var.region}a."
  }
}

variable "egress_mode" {
  description = "endpoints: AWS is reached by VPC endpoints alone, nothing else is. nat: a NAT gateway in each zone as well."
  type        = string
  default     = "endpoints"
  nullable    = false

  validation {
    condition     = contains(["endpoints", "nat"], var.egress_mode)
    error_message = "egress_mode must be endpoints or nat; it is \"${var.egress_mode}\"."
  }
}

variable "interface_endpoints" {
  description = "AWS services with an interface endpoint of their own, as in com.amazonaws.<region>.<name>."
  type        = set(string)
  nullable    = false
  default = [
    "aps-workspaces",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "kms",
    "logs",
    "monitoring",
    "secretsmanager",
    "ssm",
    "ssmmessages",
    "sts",
  ]

  validation {
    condition     = alltrue([for name in var.interface_endpoints : can(regex("^[a-z0-9][a-z0-9.-]*$", name))])
    error_message = "interface_endpoints must be short service names such as ecr.api, without com.amazonaws.<region>; they are [${join(", ", var.interface_endpoints)}]."
  }

  # Without these no instance joins the cluster, no image is pulled and no log is written:
  # "Amazon ECS interface VPC endpoints" and "Amazon ECR interface VPC endpoints", AWS, read in November 2026.
  validation {
    condition = var.egress_mode == "nat" || length(setsubtract(
      ["ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs"], var.interface_endpoints
    )) == 0
    error_message = "interface_endpoints must hold what ECS tasks need where there is no NAT; missing: ${join(", ", setsubtract(
      ["ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs"], var.interface_endpoints
    ))}. Add them, or set egress_mode to nat."
  }
}

variable "groups" {
  description = "Parties: each gets a security group of its own, without a rule that no edge asks for."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for party in var.groups : can(regex("^[a-z](?:[a-z0-9-]*[a-z0-9])?$", party))])
    error_message = "groups must be lower-case names with inner hyphens, such as instances-main; they are [${join(", ", var.groups)}]."
  }

  validation {
    condition     = !contains(var.groups, "internet")
    error_message = "groups must not hold \"internet\": that name stands for 0.0.0.0/0 in an edge. Choose another name for this party."
  }
}

variable "flow_log_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 365
  nullable    = false

  # The periods that PutRetentionPolicy takes: CloudWatch Logs API reference, read in November 2026.
  validation {
    condition = contains([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
    ], var.flow_log_retention_days)
    error_message = "flow_log_retention_days must be a period that CloudWatch Logs offers (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 … 3653); it is ${var.flow_log_retention_days}."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow logs; its policy admits logs.<region>.amazonaws.com."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be a key's ARN (arn:aws:kms:<region>:<account>:key/<id>); it is \"${var.kms_key_arn}\"."
  }
}
