mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project      = "dev"
  region       = "us-east-1"
  account_id   = "123456789012"
  cluster_name = "dev"
  services     = ["history", "ui"]
  pools        = { main = "dev-main", benchmark = "dev-benchmark" }
  dsql         = { identifier = "abcdefghijklmnopqrstuvwxyz" }
  opensearch   = { domain_name = "dev-visibility", instance_count = 3, volume_gib = 100 }
}

run "tells_a_topic_that_cloudwatch_and_amp_may_publish_to" {
  variables {
    emails = ["on-call@example.com"]
  }

  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == aws_kms_key.topic.arn && aws_kms_key.topic.enable_key_rotation
    error_message = "The topic is encrypted with a key of its own: CloudWatch may not use AWS's."
  }

  assert {
    condition     = toset(one([for it in jsondecode(aws_kms_key.topic.policy).Statement : it if it.Sid == "Publishers"]).Principal.Service) == toset(["cloudwatch.amazonaws.com", "aps.amazonaws.com"])
    error_message = "Both publishers may use the key."
  }

  assert {
    condition     = { for it in jsondecode(aws_sns_topic_policy.this.policy).Statement : it.Principal.Service => it.Condition.StringEquals["aws:SourceAccount"] } == { "cloudwatch.amazonaws.com" = "123456789012", "aps.amazonaws.com" = "123456789012" }
    error_message = "Alarms and alerts of this account alone may be published."
  }

  assert {
    condition     = output.topic_arn == "arn:aws:sns:us-east-1:123456789012:dev-alarms"
    error_message = "A plan knows the topic's ARN."
  }

  assert {
    condition     = aws_sns_topic_subscription.email["on-call@example.com"].protocol == "email"
    error_message = "Addresses are subscribed."
  }

  assert {
    condition = alltrue(concat(
      [for alarm in aws_cloudwatch_metric_alarm.tasks : alarm.alarm_actions == toset([output.topic_arn])],
      [for alarm in aws_cloudwatch_metric_alarm.cpu : alarm.alarm_actions == toset([output.topic_arn])],
      [for alarm in aws_cloudwatch_metric_alarm.capacity : alarm.alarm_actions == toset([output.topic_arn])],
      [for alarm in aws_cloudwatch_metric_alarm.dsql : alarm.alarm_actions == toset([output.topic_arn])],
      [aws_cloudwatch_metric_alarm.conflicts.alarm_actions == toset([output.topic_arn])],
      [for alarm in aws_cloudwatch_metric_alarm.opensearch : alarm.alarm_actions == toset([output.topic_arn])],
    ))
    error_message = "Every alarm tells the topic."
  }

  assert {
    condition     = length(output.alarm_names) == 2 + 2 + 2 + 3 + 1 + 8 && alltrue([for name in output.alarm_names : startswith(name, "dev-")])
    error_message = "Every alarm comes out by name: ${join(", ", output.alarm_names)}."
  }
}

run "watches_services_pools_and_stores" {
  command = plan

  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.cpu : name => "${alarm.dimensions.ClusterName} ${alarm.dimensions.ServiceName}" } == { history = "dev dev-history", ui = "dev dev-ui" }
    error_message = "Services are watched by their full names."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.tasks["history"].evaluation_periods == 10
    error_message = "Ten minutes are longer than any start."
  }

  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.capacity : name => alarm.dimensions.CapacityProviderName } == { main = "dev-main", benchmark = "dev-benchmark" }
    error_message = "Every pool is watched."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.dsql["connections"].threshold == 9000 && aws_cloudwatch_metric_alarm.dsql["connections"].dimensions.ResourceId == "cluster/abcdefghijklmnopqrstuvwxyz"
    error_message = "90 % of the connections that DSQL admits."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.opensearch["disk"].threshold == 25600 && aws_cloudwatch_metric_alarm.opensearch["nodes"].threshold == 3 && aws_cloudwatch_metric_alarm.opensearch["red"].dimensions.ClientId == "123456789012"
    error_message = "A quarter of the disk, all nodes, in this account."
  }
}

run "takes_other_thresholds_and_granted_connections" {
  command = plan

  variables {
    dsql       = { identifier = "abcdefghijklmnopqrstuvwxyz", connections = 20000 }
    thresholds = { cpu_percent = 70, connections_percent = 50, conflict_percent = 5, commit_ms = 20, missing_tasks_s = 300 }
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.dsql["connections"].threshold == 10000 && aws_cloudwatch_metric_alarm.cpu["ui"].threshold == 70
      && aws_cloudwatch_metric_alarm.conflicts.threshold == 5 && aws_cloudwatch_metric_alarm.dsql["commit"].threshold == 20 && aws_cloudwatch_metric_alarm.tasks["ui"].evaluation_periods == 5
    )
    error_message = "Thresholds are the caller's."
  }
}

run "wrong_values" {
  command = plan

  variables {
    project    = "eighteen-letters-x"
    account_id = "1234"
    emails     = ["on-call"]
    services   = []
    thresholds = { cpu_percent = 120 }
  }

  expect_failures = [var.project, var.account_id, var.emails, var.services, var.thresholds]
}

run "half_minutes" {
  command = plan

  variables {
    thresholds = { missing_tasks_s = 90 }
  }

  expect_failures = [var.thresholds]
}
