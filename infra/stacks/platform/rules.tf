# Files of rules/ are written by `auroral dashboards build`, beside those of observability/rules.
locals {
  written_rule_groups = { for name in fileset("${path.module}/rules", "*.yaml") : trimsuffix(name, ".yaml") => file("${path.module}/rules/${name}") }

  # What alerts compare with: the names are those of src/auroral/dashboards/rule_records.py.
  limit_records = {
    "auroral:dsql_connect_rate:limit" = var.dsql_cluster.limits.rate_per_s
    "auroral:dsql_connections:limit"  = var.dsql_cluster.limits.connections
    "auroral:history_shards:count"    = var.history_shards
  }

  limit_rules = { groups = [{
    name     = "limits"
    interval = "30s"
    rules    = [for name, number in local.limit_records : { record = name, expr = "vector(${number})" }]
  }] }

  all_rule_groups = merge(local.written_rule_groups, { limits = yamlencode(local.limit_rules) }, var.rule_groups)
  rule_groups     = { for name, text in local.all_rule_groups : name => text if text != "" }
}
