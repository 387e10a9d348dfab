resource "aws_cloudwatch_metric_alarm" "tasks" {
  for_each = var.services

  alarm_name          = "${var.project}-${each.key}-tasks"
  alarm_description   = "Fewer tasks of ${each.key} run than wanted, for ${var.thresholds.missing_tasks_s} s. See: auroral cluster status"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = var.thresholds.missing_tasks_s / 60
  datapoints_to_alarm = var.thresholds.missing_tasks_s / 60
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]

  metric_query {
    id          = "missing"
    expression  = "wanted - running"
    label       = "missing tasks"
    return_data = true
  }

  # Of Container Insights: neither comes without it.
  dynamic "metric_query" {
    for_each = { wanted = "DesiredTaskCount", running = "RunningTaskCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "ECS/ContainerInsights"
        metric_name = metric_query.value
        dimensions  = { ClusterName = var.cluster_name, ServiceName = "${var.project}-${each.key}" }
        period      = 60
        stat        = "Average"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "cpu" {
  for_each = var.services

  alarm_name          = "${var.project}-${each.key}-cpu"
  alarm_description   = "${each.key} uses over ${var.thresholds.cpu_percent} % of its CPU. See: auroral cluster status"
  namespace           = "AWS/ECS"
  metric_name         = "CPUUtilization"
  dimensions          = { ClusterName = var.cluster_name, ServiceName = "${var.project}-${each.key}" }
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.cpu_percent
  period              = 60
  evaluation_periods  = 15
  datapoints_to_alarm = 12
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}
