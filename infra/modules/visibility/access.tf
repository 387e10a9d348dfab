# Who may send requests at all. What an index gives to whom, the role mappings say that `auroral visibility apply` makes.
locals {
  http_actions = ["es:ESHttpDelete", "es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPost", "es:ESHttpPut"]

  access_statements = [{
    Sid       = "Servers"
    Effect    = "Allow"
    Principal = { AWS = concat([var.master_role_arn], var.server_role_arns) }
    Action    = local.http_actions
    Resource  = "${local.domain_arn}/*"
  }]
}
