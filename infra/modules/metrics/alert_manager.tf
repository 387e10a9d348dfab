# Without it alerts fire and nobody hears of them.
resource "aws_prometheus_alert_manager_definition" "this" {
  workspace_id = aws_prometheus_workspace.this.id
  definition   = yamlencode({ alertmanager_config = yamlencode(local.alert_manager) })
}

locals {
  # How often it is said again while it lasts; AWS allows five days at most. Severities: src/auroral/dashboards/rules.py.
  alert_repeats = { page = "1h", ticket = "24h" }

  # One message for all tasks, queues and reasons of one alert at one service.
  alert_manager = {
    route = {
      receiver        = "ticket"
      group_by        = ["alertname", "cluster", "service"]
      group_wait      = "30s"
      group_interval  = "5m"
      repeat_interval = local.alert_repeats.ticket
      routes = [{
        receiver        = "page"
        matchers        = ["severity=\"page\""]
        group_wait      = "10s"
        repeat_interval = local.alert_repeats.page
      }]
    }
    receivers = [for severity in keys(local.alert_repeats) : {
      name = severity
      sns_configs = [{
        topic_arn     = var.alarm_topic_arn
        send_resolved = true
        sigv4         = { region = var.region }
        subject       = "${var.project} ${severity}: {{ .Status }} {{ .CommonLabels.alertname }} {{ .CommonLabels.service }}"
        message       = local.alert_message
        attributes    = { severity = severity }
      }]
    }]
  }

  alert_message = join("\n", [
    "{{ range .Alerts }}{{ .Annotations.summary }} ({{ .Status }} since {{ .StartsAt }})",
    "{{ .Annotations.description }}",
    "Runbook: {{ .Annotations.runbook_url }}",
    "{{ range .Labels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}",
    "",
    "{{ end }}",
  ])
}
