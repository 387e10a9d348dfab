mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project          = "dev"
  region           = "us-east-1"
  account_id       = "123456789012"
  log_kms_key_arn  = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"
  alarm_topic_arn  = "arn:aws:sns:us-east-1:123456789012:dev-alarms"
  collector_config = "receivers: {prometheus: {}}\nservice: {pipelines: {metrics: {receivers: [prometheus]}}}\n"
}

run "keeps_metrics_and_notifies_the_topic" {
  variables {
    rule_groups = { dsql = "groups:\n- name: dsql\n  rules: []\n" }
  }

  assert {
    condition = {
      for it in yamldecode(yamldecode(aws_prometheus_alert_manager_definition.this.definition).alertmanager_config).receivers :
      it.name => "${it.sns_configs[0].topic_arn} ${it.sns_configs[0].attributes.severity} ${it.sns_configs[0].sigv4.region}"
    } == { for name in ["page", "ticket"] : name => "${var.alarm_topic_arn} ${name} us-east-1" }
    error_message = "Pages and tickets reach the topic, and say which they are."
  }

  assert {
    condition = [
      for it in yamldecode(yamldecode(aws_prometheus_alert_manager_definition.this.definition).alertmanager_config).route.routes : "${it.receiver} ${join(",", it.matchers)} ${it.repeat_interval}"
    ] == ["page severity=\"page\" 1h"]
    error_message = "What has the severity page goes to that receiver."
  }

  assert {
    condition = (
      yamldecode(yamldecode(aws_prometheus_alert_manager_definition.this.definition).alertmanager_config).route.receiver == "ticket" &&
      yamldecode(yamldecode(aws_prometheus_alert_manager_definition.this.definition).alertmanager_config).route.repeat_interval == "24h" &&
      contains(yamldecode(yamldecode(aws_prometheus_alert_manager_definition.this.definition).alertmanager_config).route.group_by, "alertname")
    )
    error_message = "All else is a ticket; alerts of one name come together."
  }

  assert {
    condition     = aws_prometheus_rule_group_namespace.this["dsql"].data == var.rule_groups["dsql"]
    error_message = "Rules are loaded as they stand."
  }

  assert {
    condition     = aws_ssm_parameter.collector.value == var.collector_config && aws_ssm_parameter.collector.tier == "Standard"
    error_message = "The collector's configuration is kept."
  }

  assert {
    condition     = output.collector_parameter_arn == "arn:aws:ssm:us-east-1:123456789012:parameter/dev/collector"
    error_message = "A plan knows the parameter's ARN."
  }

  assert {
    condition     = startswith(aws_cloudwatch_log_group.this.name, "/aws/vendedlogs/dev/") && aws_cloudwatch_log_group.this.kms_key_id == var.log_kms_key_arn && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "What rules fail at is logged, encrypted and kept for a time."
  }

  assert {
    condition     = output.remote_write_url == "${output.query_url}api/v1/remote_write" && startswith(output.query_url, "https://")
    error_message = "Writing stands below the workspace's URL."
  }
}

run "a_long_configuration_takes_an_advanced_parameter" {
  command = plan

  variables {
    collector_config = "receivers: {}\nservice: {pipelines: {}}\n# ${join("", [for i in range(500) : "0123456789"])}\n"
  }

  assert {
    condition     = aws_ssm_parameter.collector.tier == "Advanced"
    error_message = "A standard parameter holds 4 KiB."
  }
}

run "wrong_values" {
  command = plan

  variables {
    project            = "Dev"
    account_id         = "1234"
    log_retention_days = 8
    kms_key_arn        = "alias/metrics"
    alarm_topic_arn    = "dev-alarms"
    rule_groups        = { dsql = "rules: []" }
    collector_config   = "exporters: {}"
  }

  expect_failures = [var.project, var.account_id, var.log_retention_days, var.kms_key_arn, var.alarm_topic_arn, var.rule_groups, var.collector_config]
}

run "a_configuration_that_no_parameter_holds" {
  command = plan

  variables {
    collector_config = "receivers: {}\nservice: {pipelines: {}}\n# ${join("", [for i in range(900) : "0123456789"])}\n"
  }

  expect_failures = [var.collector_config]
}
