# An instance takes up trunking when it registers, and never later: this comes before any capacity.
resource "aws_ecs_account_setting_default" "this" {
  for_each = {
    awsvpcTrunking    = "enabled"
    containerInsights = var.container_insights
  }

  name  = each.key
  value = each.value
}
