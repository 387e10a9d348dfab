output "topic_arn" {
  description = "Topic that hears of every alarm and alert."
  value       = local.topic_arn
}

output "alarm_names" {
  description = "Every alarm of this module."
  value = sort(concat(
    values(aws_cloudwatch_metric_alarm.tasks)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.cpu)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.capacity)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.dsql)[*].alarm_name,
    [aws_cloudwatch_metric_alarm.conflicts.alarm_name],
    values(aws_cloudwatch_metric_alarm.opensearch)[*].alarm_name,
  ))
}
