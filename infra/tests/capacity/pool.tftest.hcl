mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project         = "dev"
  region          = "us-east-1"
  account_id      = "123456789012"
  name            = "benchmark"
  cluster_name    = "dev"
  instance_type   = "m8g.4xlarge"
  max             = 13
  subnet_ids      = ["subnet-0a", "subnet-0b", "subnet-0c"]
  group_ids       = ["sg-instances"]
  repository_arns = ["arn:aws:ecr:us-east-1:123456789012:repository/dev/benchmark"]
  attributes      = { rack = "a" }
}

run "starts_from_nothing_and_scales_by_ecs" {
  command = plan

  assert {
    condition     = aws_autoscaling_group.this.min_size == 0 && aws_autoscaling_group.this.desired_capacity == 0 && aws_autoscaling_group.this.max_size == 13
    error_message = "The pool begins with no instance."
  }

  assert {
    condition     = aws_autoscaling_group.this.protect_from_scale_in && one(aws_ecs_capacity_provider.this.auto_scaling_group_provider).managed_termination_protection == "ENABLED"
    error_message = "Instances with tasks are not terminated."
  }

  assert {
    condition     = one(aws_ecs_capacity_provider.this.auto_scaling_group_provider).managed_draining == "ENABLED"
    error_message = "Instances are drained before they end."
  }

  assert {
    condition     = one(one(aws_ecs_capacity_provider.this.auto_scaling_group_provider).managed_scaling).status == "ENABLED" && one(one(aws_ecs_capacity_provider.this.auto_scaling_group_provider).managed_scaling).maximum_scaling_step_size == 13
    error_message = "ECS scales the pool, in one step if need be."
  }

  assert {
    condition     = one([for it in aws_autoscaling_group.this.tag : it.value if it.key == "AmazonECSManaged"]) == "true"
    error_message = "ECS's tag stays on the group."
  }

  assert {
    condition     = toset(aws_autoscaling_group.this.vpc_zone_identifier) == toset(["subnet-0a", "subnet-0b", "subnet-0c"])
    error_message = "The pool spreads over the zones given."
  }

  assert {
    condition     = one(aws_launch_template.this.metadata_options).http_tokens == "required" && one(aws_launch_template.this.metadata_options).http_put_response_hop_limit == 1
    error_message = "The instance's metadata needs a token and goes no further than the instance."
  }

  assert {
    condition     = one(one(aws_launch_template.this.block_device_mappings).ebs).encrypted == "true" && one(one(aws_launch_template.this.block_device_mappings).ebs).volume_type == "gp3"
    error_message = "The disk is encrypted."
  }

  assert {
    condition     = aws_launch_template.this.image_id == "ami-0123456789abcdef0"
    error_message = "The image is what the parameter says."
  }

  assert {
    condition     = alltrue([for it in aws_launch_template.this.tag_specifications : it.tags.project == "test" && it.tags.Name == "dev-benchmark"])
    error_message = "Instances and volumes have the provider's default tags."
  }

  assert {
    condition     = tolist(aws_launch_template.this.vpc_security_group_ids) == tolist(["sg-instances"])
    error_message = "Instances have their own group alone."
  }

  assert {
    condition = alltrue([for line in [
      "ECS_CLUSTER=dev",
      "ECS_INSTANCE_ATTRIBUTES={\"rack\":\"a\",\"workload\":\"benchmark\"}",
      "ECS_AWSVPC_BLOCK_IMDS=true",
      "ECS_RESERVED_MEMORY=256",
      "ECS_DISABLE_PRIVILEGED=true",
    ] : contains(split("\n", base64decode(aws_launch_template.this.user_data)), line)])
    error_message = "The agent is told its cluster, attributes and what to deny, got ${base64decode(aws_launch_template.this.user_data)}"
  }
}

run "leaves_the_instances_no_right_but_the_agents" {
  command = plan

  assert {
    condition = toset(flatten([for it in jsondecode(aws_iam_role_policy.instance.policy).Statement : it.Action])) == toset([
      "ecs:DiscoverPollEndpoint", "ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance", "ecs:Poll", "ecs:StartTelemetrySession",
      "ecs:SubmitTaskStateChange", "ecs:SubmitContainerStateChange", "ecs:SubmitAttachmentStateChanges",
      "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
    ])
    error_message = "Only what the agent calls."
  }

  assert {
    condition     = [for it in jsondecode(aws_iam_role_policy.instance.policy).Statement : it.Sid if contains(flatten([it.Resource]), "*")] == ["Endpoints"]
    error_message = "Only what no resource can narrow is allowed on every one."
  }

  assert {
    condition     = one([for it in jsondecode(aws_iam_role_policy.instance.policy).Statement : it.Resource if it.Sid == "Pull"]) == ["arn:aws:ecr:us-east-1:123456789012:repository/dev/benchmark"]
    error_message = "Only the given repositories are pulled from."
  }

  assert {
    condition     = one([for it in jsondecode(aws_iam_role_policy.instance.policy).Statement : it.Condition.ArnEquals["ecs:cluster"] if it.Sid == "Agent"]) == "arn:aws:ecs:us-east-1:123456789012:cluster/dev"
    error_message = "Only this cluster's instances poll."
  }
}

run "takes_an_image_and_lets_go_of_protection" {
  command = plan

  variables {
    ami_id                 = "ami-00000000000000001"
    termination_protection = false
    desired                = 2
  }

  assert {
    condition     = aws_launch_template.this.image_id == "ami-00000000000000001" && length(data.aws_ssm_parameter.image) == 0
    error_message = "No parameter is asked where the image is given."
  }

  assert {
    condition     = !aws_autoscaling_group.this.protect_from_scale_in && one(aws_ecs_capacity_provider.this.auto_scaling_group_provider).managed_termination_protection == "DISABLED"
    error_message = "Group and provider agree on protection."
  }

  assert {
    condition     = aws_autoscaling_group.this.desired_capacity == 2
    error_message = "The pool begins with what is desired."
  }
}
