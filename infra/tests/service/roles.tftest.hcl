mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project             = "dev"
  region              = "us-east-1"
  account_id          = "123456789012"
  name                = "history"
  cluster_arn         = "arn:aws:ecs:us-east-1:123456789012:cluster/dev"
  cluster_name        = "dev"
  capacity_provider   = "dev-main"
  subnet_ids          = ["subnet-0a", "subnet-0b", "subnet-0c"]
  group_id            = "sg-history"
  image               = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/server@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  command             = ["run"]
  cpu                 = 2048
  memory              = 8192
  environment         = { TEMPORAL_SERVICES = "history" }
  secrets             = { KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:dev/tls-AbCdEf:key::", CONFIG = "arn:aws:ssm:us-east-1:123456789012:parameter/dev/config" }
  ports               = [{ name = "grpc", port = 7234 }, { name = "membership", port = 6934 }, { name = "metrics", port = 9090 }]
  health_check        = { command = ["CMD", "auroral-server", "health"], start_period_s = 78 }
  planned_count       = 4
  min_healthy_percent = 75
  max_percent         = 100
  log_kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"
  exec_log_group      = "/ecs/dev/exec"

  task_policy_statements = [{
    sid        = "Connect"
    actions    = ["dsql:DbConnect"]
    resources  = ["arn:aws:dsql:us-east-1:123456789012:cluster/a"]
    conditions = [{ test = "StringEquals", variable = "aws:RequestedRegion", values = ["us-east-1"] }, { test = "StringEquals", variable = "aws:SourceVpc", values = ["vpc-0"] }]
  }]
}

run "allows_the_task_what_was_asked_and_exec" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role_policy.task[0].policy).Statement == [{
      Sid       = "Connect"
      Effect    = "Allow"
      Action    = ["dsql:DbConnect"]
      Resource  = ["arn:aws:dsql:us-east-1:123456789012:cluster/a"]
      Condition = { StringEquals = { "aws:RequestedRegion" = ["us-east-1"], "aws:SourceVpc" = ["vpc-0"] } }
    }]
    error_message = "The role allows what was asked, got ${aws_iam_role_policy.task[0].policy}"
  }

  assert {
    condition     = toset([for action in flatten(jsondecode(aws_iam_role_policy.exec.policy).Statement[*].Action) : split(":", action)[0]]) == toset(["ssmmessages", "logs", "kms"])
    error_message = "ECS Exec needs messages, its log and its key."
  }

  assert {
    condition     = one([for it in jsondecode(aws_iam_role_policy.exec.policy).Statement : it.Resource if it.Sid == "ExecLog"]) == ["arn:aws:logs:us-east-1:123456789012:log-group:/ecs/dev/exec:*"]
    error_message = "Sessions are written to their group alone."
  }

  assert {
    condition     = [for it in jsondecode(aws_iam_role_policy.exec.policy).Statement : it.Sid if contains(it.Resource, "*")] == ["Exec"]
    error_message = "Only what no resource can narrow is allowed on every one."
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.task, aws_iam_role.execution] : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"])
    error_message = "Only tasks of this account take the roles."
  }
}

run "allows_the_start_its_log_image_and_secrets" {
  command = plan

  assert {
    condition = { for it in jsondecode(aws_iam_role_policy.execution.policy).Statement : it.Sid => it.Resource } == {
      Logs       = ["arn:aws:logs:us-east-1:123456789012:log-group:/ecs/dev/history:*"]
      Registry   = ["*"]
      Image      = ["arn:aws:ecr:us-east-1:123456789012:repository/dev/server"]
      Secrets    = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:dev/tls-AbCdEf"]
      Parameters = ["arn:aws:ssm:us-east-1:123456789012:parameter/dev/config"]
    }
    error_message = "The execution role allows its own log, image and secrets, got ${aws_iam_role_policy.execution.policy}"
  }
}

run "allows_no_registry_where_none_is_needed" {
  command = plan

  variables {
    image                  = "public.ecr.aws/docker/library/alpine@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    secret_kms_key_arns    = ["arn:aws:kms:us-east-1:123456789012:key/11111111-0000-4000-8000-000000000000"]
    task_policy_statements = []
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.execution.policy).Statement[*].Sid == ["Logs", "Secrets", "Parameters", "Keys"]
    error_message = "A public image needs no right, a key of one's own does."
  }

  assert {
    condition     = length(aws_iam_role_policy.task) == 0
    error_message = "Nothing was asked for the task."
  }
}
