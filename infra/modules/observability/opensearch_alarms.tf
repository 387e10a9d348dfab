# What AWS recommends: "Recommended CloudWatch alarms for Amazon OpenSearch Service", read in November 2026.
locals {
  opensearch_alarms = {
    red       = { metric = "ClusterStatus.red", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 1, period = 60, periods = 1, says = "a primary shard has no node: workflows cannot be listed" }
    yellow    = { metric = "ClusterStatus.yellow", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 1, period = 60, periods = 5, says = "a replica has no node" }
    blocked   = { metric = "ClusterIndexWritesBlocked", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 1, period = 300, periods = 1, says = "it takes no writes: visibility stands still" }
    nodes     = { metric = "Nodes", statistic = "Minimum", comparison = "LessThanThreshold", threshold = var.opensearch.instance_count, period = 300, periods = 12, says = "a node has been gone for an hour" }
    disk      = { metric = "FreeStorageSpace", statistic = "Minimum", comparison = "LessThanOrEqualToThreshold", threshold = floor(var.opensearch.volume_gib * 1024 / 4), period = 60, periods = 1, says = "a node has less than a quarter of its disk left (MiB)" }
    cpu       = { metric = "CPUUtilization", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 80, period = 900, periods = 3, says = "a node's CPU is over 80 %" }
    memory    = { metric = "JVMMemoryPressure", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 95, period = 60, periods = 3, says = "a node's heap is over 95 %" }
    snapshots = { metric = "AutomatedSnapshotFailure", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 1, period = 60, periods = 1, says = "its hourly snapshot failed" }
  }
}

resource "aws_cloudwatch_metric_alarm" "opensearch" {
  for_each = local.opensearch_alarms

  alarm_name          = "${var.project}-opensearch-${each.key}"
  alarm_description   = "OpenSearch ${var.opensearch.domain_name}: ${each.value.says}. See: auroral visibility status"
  namespace           = "AWS/ES"
  metric_name         = each.value.metric
  dimensions          = { DomainName = var.opensearch.domain_name, ClientId = var.account_id }
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}
