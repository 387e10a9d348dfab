# Names of AWS/AuroraDSQL and AWS/Usage: "Monitoring Aurora DSQL with Amazon CloudWatch", read in November 2026.
locals {
  dsql_dimensions = { ClusterId = var.dsql.identifier }
  usage_dimensions = {
    Service    = "AuroraDSQL"
    Type       = "Resource"
    Resource   = "ClusterConnectionCount"
    ResourceId = "cluster/${var.dsql.identifier}"
    Class      = "None"
  }

  dsql_alarms = {
    connections = {
      description = "Over ${var.thresholds.connections_percent} % of the ${var.dsql.connections} connections that the DSQL cluster admits are open. See: auroral dsql connections"
      namespace   = "AWS/Usage", metric = "ResourceCount", dimensions = local.usage_dimensions, statistic = "Maximum"
      threshold   = var.dsql.connections * var.thresholds.connections_percent / 100, minutes = 5
    }
    timeouts = {
      description = "Transactions reach DSQL's maximum duration and are ended. See: auroral dsql probe"
      namespace   = "AWS/AuroraDSQL", metric = "QueryTimeouts", dimensions = local.dsql_dimensions, statistic = "Sum"
      threshold   = 0, minutes = 5
    }
    commit = {
      description = "DSQL's median commit takes over ${var.thresholds.commit_ms} ms. See: auroral dsql probe"
      namespace   = "AWS/AuroraDSQL", metric = "CommitLatency", dimensions = local.dsql_dimensions, statistic = "Average"
      threshold   = var.thresholds.commit_ms, minutes = 10
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "dsql" {
  for_each = local.dsql_alarms

  alarm_name          = "${var.project}-dsql-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "conflicts" {
  alarm_name          = "${var.project}-dsql-conflicts"
  alarm_description   = "Over ${var.thresholds.conflict_percent} % of DSQL's transactions meet another writer of the same rows. See: auroral dsql probe"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.conflict_percent
  evaluation_periods  = 10
  datapoints_to_alarm = 10
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]

  metric_query {
    id          = "share"
    expression  = "IF(total > 600, 100 * conflicts / total, 0)"
    label       = "percent in conflict"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { conflicts = "OccConflicts", total = "TotalTransactions" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/AuroraDSQL"
        metric_name = metric_query.value
        dimensions  = local.dsql_dimensions
        period      = 60
        stat        = "Sum"
      }
    }
  }
}
