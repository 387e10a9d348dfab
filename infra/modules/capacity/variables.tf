variable "project" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,16}$", var.project))
    error_message = "Expected a project of 2 to 17 lower-case letters, digits and '-', the first a letter, got '${var.project}'. Set project."
  }

  validation {
    # ECS refuses such names of capacity providers: CreateCapacityProvider, API reference.
    condition     = !can(regex("^(aws|ecs|fargate)", var.project))
    error_message = "Expected a project that does not begin with aws, ecs or fargate, since ECS refuses capacity providers of such names, got '${var.project}'. Set another project."
  }
}

variable "region" {
  description = "Region of the pool."
  type        = string
}

variable "account_id" {
  description = "Account of the pool: 12 digits."
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
  description = "Name of the pool, and the value of its instances' attribute workload."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "Expected a pool name of 2 to 20 lower-case letters, digits and '-', such as main or benchmark, got '${var.name}'. Set name."
  }
}

variable "cluster_name" {
  description = "ECS cluster that the instances join."
  type        = string
}

variable "instance_type" {
  description = "Instance type; Graviton, since every image is built for ARM64."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[0-9]+g[a-z0-9]*\\.[a-z0-9]+$", var.instance_type))
    error_message = "Expected a Graviton instance type such as m7g.2xlarge or m8g.4xlarge, since every task is ARM64, got '${var.instance_type}'. Set instance_type."
  }
}

variable "min" {
  description = "Least number of instances; 0 lets the pool start from nothing."
  type        = number
  default     = 0

  validation {
    condition     = var.min >= 0 && floor(var.min) == var.min
    error_message = "Expected min to be a whole number from 0, got ${var.min}. Set min."
  }
}

variable "max" {
  description = "Greatest number of instances."
  type        = number

  validation {
    condition     = var.max >= 1 && floor(var.max) == var.max && var.max >= var.min
    error_message = "Expected max to be a whole number, at least 1 and at least min (${var.min}), got ${var.max}. Set max."
  }
}

variable "desired" {
  description = "Instances at the pool's creation; afterwards ECS scales it. None: min."
  type        = number
  default     = null

  validation {
    condition     = var.desired == null ? true : var.desired >= var.min && var.desired <= var.max && floor(var.desired) == var.desired
    error_message = "Expected desired to be a whole number from min (${var.min}) to max (${var.max}), got ${coalesce(var.desired, 0)}. Set desired, or leave it out."
  }
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "Expected subnets in at least two zones, got ${length(var.subnet_ids)}: one zone's failure would end the pool. Set subnet_ids."
  }
}

variable "group_ids" {
  description = "Security groups of the instances; tasks have their own."
  type        = list(string)

  validation {
    condition     = length(var.group_ids) > 0
    error_message = "Expected the security group of this pool's instances, got none: they would take the VPC's default group. Set group_ids."
  }
}

variable "repository_arns" {
  description = "ECR repositories that the instances pull from."
  type        = list(string)

  validation {
    condition     = length(var.repository_arns) > 0 && alltrue([for arn in var.repository_arns : can(regex("^arn:[^:]+:ecr:[^:]+:[0-9]+:repository/.+", arn))])
    error_message = "Expected at least one ARN of an ECR repository, got [${join(", ", var.repository_arns)}]. Set repository_arns from the bootstrap stack's outputs."
  }
}

variable "ami_id" {
  description = "Image of the instances; none: what ami_ssm_parameter says."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null ? true : can(regex("^ami-[0-9a-f]{8,17}$", var.ami_id))
    error_message = "Expected an image id such as ami-0123456789abcdef0, got '${coalesce(var.ami_id, "nothing")}'. Set ami_id, or leave it out."
  }
}

variable "ami_ssm_parameter" {
  description = "Public SSM parameter of the image: the recommended ECS-optimized Amazon Linux 2023 for ARM64."
  type        = string
  default     = "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id"
}

variable "attributes" {
  description = "More ECS attributes of the instances, beside workload."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.attributes : key != "workload" && can(regex("^[A-Za-z0-9_./-]{1,128}$", key)) && can(regex("^[A-Za-z0-9_.:@/ -]{1,128}$", value))])
    error_message = "Expected ECS attributes of letters, digits and _ . / -, none of them workload (that is the pool's name), got ${jsonencode(var.attributes)}. Set attributes."
  }
}

variable "termination_protection" {
  description = "Whether ECS keeps the Auto Scaling group from terminating instances that run tasks."
  type        = bool
  default     = true
}

variable "target_capacity" {
  description = "Percent of the pool's capacity that ECS aims to use; below 100 keeps room for a deployment."
  type        = number
  default     = 100

  validation {
    condition     = var.target_capacity >= 1 && var.target_capacity <= 100
    error_message = "Expected target_capacity to be a percentage from 1 to 100, got ${var.target_capacity}. Set target_capacity."
  }
}

variable "warmup_s" {
  description = "Seconds after its launch during which a new instance does not count in scaling."
  type        = number
  default     = 120

  validation {
    condition     = var.warmup_s >= 0 && var.warmup_s <= 10000
    error_message = "Expected warmup_s to be from 0 to 10000 seconds, got ${var.warmup_s}. Set warmup_s."
  }
}

variable "reserved_memory_mib" {
  description = "MiB that the ECS agent keeps back for itself and the system."
  type        = number
  default     = 256

  validation {
    condition     = var.reserved_memory_mib >= 0
    error_message = "Expected reserved_memory_mib to be at least 0, got ${var.reserved_memory_mib}. Set reserved_memory_mib."
  }
}

variable "disk_gib" {
  description = "Size of an instance's encrypted disk in GiB."
  type        = number
  default     = 50

  validation {
    condition     = var.disk_gib >= 30
    error_message = "Expected disk_gib to be at least 30, the size of the ECS-optimized image, got ${var.disk_gib}. Set disk_gib."
  }
}
