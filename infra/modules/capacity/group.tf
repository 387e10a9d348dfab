resource "aws_autoscaling_group" "this" {
  name                    = "${var.project}-${var.name}"
  min_size                = var.min
  max_size                = var.max
  desired_capacity        = coalesce(var.desired, var.min)
  vpc_zone_identifier     = var.subnet_ids
  health_check_type       = "EC2"
  default_instance_warmup = var.warmup_s
  protect_from_scale_in   = var.termination_protection
  enabled_metrics         = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances", "GroupTerminatingInstances"]

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  # ECS puts this tag on a group whose scaling it manages; an apply would take it away again.
  tag {
    key                 = "AmazonECSManaged"
    value               = "true"
    propagate_at_launch = true
  }

  lifecycle {
    ignore_changes = [desired_capacity]
  }

  depends_on = [aws_iam_role_policy.instance]
}
