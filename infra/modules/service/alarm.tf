resource "aws_cloudwatch_metric_alarm" "memory" {
  count = var.desired == "service" ? 1 : 0

  alarm_name          = "${var.project}-${var.name}-memory"
  alarm_description   = "Tasks of ${var.name} use over ${var.memory_alarm_percent} % of their memory: at 100 % they are killed. A deployment is rolled back."
  namespace           = "AWS/ECS"
  metric_name         = "MemoryUtilization"
  dimensions          = { ClusterName = var.cluster_name, ServiceName = "${var.project}-${var.name}" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.memory_alarm_percent
  period              = 60
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
  ok_actions          = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
}
