locals {
  cluster_arn         = "arn:${var.partition}:ecs:${var.region}:${var.account_id}:cluster/${var.cluster_name}"
  container_instances = "arn:${var.partition}:ecs:${var.region}:${var.account_id}:container-instance/${var.cluster_name}/*"
}

resource "aws_iam_role" "instance" {
  name = "${var.project}-${var.name}-instance"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# What the ECS agent calls, of AmazonEC2ContainerServiceforEC2Role. Logs and secrets are the execution roles' part.
resource "aws_iam_role_policy" "instance" {
  name = "agent"
  role = aws_iam_role.instance.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Endpoints"
        Effect   = "Allow"
        Action   = ["ecs:DiscoverPollEndpoint", "ecr:GetAuthorizationToken"]
        Resource = "*"
      },
      {
        Sid    = "Cluster"
        Effect = "Allow"
        Action = [
          "ecs:RegisterContainerInstance",
          "ecs:DeregisterContainerInstance",
          "ecs:SubmitTaskStateChange",
          "ecs:SubmitContainerStateChange",
          "ecs:SubmitAttachmentStateChanges",
        ]
        Resource = local.cluster_arn
      },
      {
        Sid       = "Agent"
        Effect    = "Allow"
        Action    = ["ecs:Poll", "ecs:StartTelemetrySession"]
        Resource  = local.container_instances
        Condition = { ArnEquals = { "ecs:cluster" = local.cluster_arn } }
      },
      {
        Sid      = "Pull"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arns
      },
    ]
  })
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.project}-${var.name}-instance"
  role = aws_iam_role.instance.name
}
