# Without it alerts fire and nobody hears of them.
resource "aws_prometheus_alert_manager_definition" "this" {
  workspace_id = aws_prometheus_workspace.this.id
  definition   = yamlencode({ alertmanager_config = yamlencode(local.alert_manager) })
}

locals {
  alert_manager = {
    route = {
      receiver        = "topic"
      group_by        = ["alertname", "service"]
      group_wait      = "30s"
      group_interval  = "5m"
      repeat_interval = "4h"
    }
    receivers = [{
      name = "topic"
      sns_configs = [{
        topic_arn     = var.alarm_topic_arn
        send_resolved = true
        sigv4         = { region = var.region }
        subject       = "${var.project}: {{ .Status }} {{ .CommonLabels.alertname }}"
      }]
    }]
  }
}
