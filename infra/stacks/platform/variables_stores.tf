variable "dsql_cluster" {
  description = <<-TEXT
    The DSQL cluster: made by this stack, or `existing`. `limits` is what AWS has granted: connections, connects a second
    and at once. `backup`: when AWS Backup copies it, and for how many days.
  TEXT
  type = object({
    existing = optional(object({
      identifier                = string
      arn                       = string
      endpoint                  = string
      vpc_endpoint_service_name = string
    }))
    deletion_protection = optional(bool, true)
    kms_key_arn         = optional(string)
    limits = optional(object({
      connections = optional(number, 10000)
      rate_per_s  = optional(number, 100)
      burst       = optional(number, 1000)
    }), {})
    backup = optional(object({
      enabled        = optional(bool, true)
      schedule       = optional(string, "cron(0 3 * * ? *)")
      retention_days = optional(number, 35)
    }), {})
  })
  default  = {}
  nullable = false
}

variable "opensearch" {
  description = "The visibility domain: version, data nodes, GiB of each, leaders of their own, key, index."
  type = object({
    engine_version    = optional(string, "OpenSearch_2.19")
    instance_type     = optional(string, "m6g.large.search")
    instance_count    = optional(number, 3)
    volume_gib        = optional(number, 100)
    dedicated_masters = optional(bool, false)
    kms_key_arn       = optional(string)
    index             = optional(string, "temporal_visibility_v1")
  })
  default  = {}
  nullable = false
}
