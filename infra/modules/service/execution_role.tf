locals {
  # Account, region and repository of an image in ECR; none for another registry.
  ecr = try(regex("^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.[^/]+/([^@:]+)", var.image), null)

  # An ARN of Secrets Manager may name a key of the JSON and a version after its seven parts.
  secret_arns    = distinct([for arn in values(var.secrets) : join(":", slice(split(":", arn), 0, 7)) if strcontains(arn, ":secretsmanager:")])
  parameter_arns = distinct([for arn in values(var.secrets) : arn if strcontains(arn, ":ssm:")])

  execution_statements = concat(
    [{
      Sid      = "Logs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = [local.log_group_arn]
    }],
    [for it in local.ecr == null ? [] : ["*"] : {
      Sid      = "Registry"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = [it]
    }],
    [for it in local.ecr == null ? [] : [local.ecr] : {
      Sid      = "Image"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = ["arn:${var.partition}:ecr:${it[1]}:${it[0]}:repository/${it[2]}"]
    }],
    [for it in length(local.secret_arns) == 0 ? [] : [local.secret_arns] : {
      Sid      = "Secrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = it
    }],
    [for it in length(local.parameter_arns) == 0 ? [] : [local.parameter_arns] : {
      Sid      = "Parameters"
      Effect   = "Allow"
      Action   = ["ssm:GetParameters"]
      Resource = it
    }],
    [for it in length(var.secret_kms_key_arns) == 0 ? [] : [var.secret_kms_key_arns] : {
      Sid      = "Keys"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = it
    }],
  )
}

resource "aws_iam_role" "execution" {
  name               = "${var.project}-${var.name}-execution"
  assume_role_policy = local.trust
}

resource "aws_iam_role_policy" "execution" {
  name   = "start"
  role   = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.execution_statements })
}
