# A count of 0 stays: without tasks there is no CPU metric, and only a scale-out brings a count below min up to it.
resource "aws_appautoscaling_target" "this" {
  count = var.autoscale == null ? 0 : 1

  service_namespace  = "ecs"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.this[0].name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.autoscale.min
  max_capacity       = var.autoscale.max
}

resource "aws_appautoscaling_policy" "cpu" {
  count = var.autoscale == null ? 0 : 1

  name               = "${var.project}-${var.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = var.autoscale.cpu_percent
    scale_in_cooldown  = 600
    scale_out_cooldown = 120

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
