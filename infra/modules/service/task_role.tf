locals {
  # None of ssmmessages' actions and not DescribeLogGroups can be narrowed to a resource: Service Authorization Reference.
  exec_statements = [
    {
      Sid    = "Exec"
      Effect = "Allow"
      Action = [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
        "logs:DescribeLogGroups",
      ]
      Resource = ["*"]
    },
    {
      Sid      = "ExecLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = [local.exec_log_group_arn]
    },
    {
      Sid      = "ExecKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [var.log_kms_key_arn]
    },
  ]

  own_statements = [for it in var.task_policy_statements : merge(
    { Sid = it.sid, Effect = "Allow", Action = it.actions, Resource = it.resources },
    length(it.conditions) == 0 ? null : {
      Condition = {
        for test in distinct(it.conditions[*].test) : test => { for condition in it.conditions : condition.variable => condition.values if condition.test == test }
      }
    },
  )]
}

resource "aws_iam_role" "task" {
  name               = "${var.project}-${var.name}-task"
  assume_role_policy = local.trust
}

resource "aws_iam_role_policy" "exec" {
  name   = "exec"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.exec_statements })
}

resource "aws_iam_role_policy" "task" {
  count = length(var.task_policy_statements) == 0 ? 0 : 1

  name   = "task"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.own_statements })
}
