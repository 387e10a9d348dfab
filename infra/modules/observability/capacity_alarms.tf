# Over 100: tasks wait for instances that do not come, since the pool is at its maximum or EC2 has none.
resource "aws_cloudwatch_metric_alarm" "capacity" {
  for_each = var.pools

  alarm_name          = "${var.project}-${each.key}-capacity"
  alarm_description   = "Tasks have waited for instances of the pool ${each.key} for 15 minutes. See: auroral cluster status"
  namespace           = "AWS/ECS/ManagedScaling"
  metric_name         = "CapacityProviderReservation"
  dimensions          = { ClusterName = var.cluster_name, CapacityProviderName = each.value }
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 100
  period              = 60
  evaluation_periods  = 15
  datapoints_to_alarm = 15
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}
