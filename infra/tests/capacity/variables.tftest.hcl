mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project         = "dev"
  region          = "us-east-1"
  account_id      = "123456789012"
  name            = "main"
  cluster_name    = "dev"
  instance_type   = "m7g.2xlarge"
  max             = 10
  subnet_ids      = ["subnet-0a", "subnet-0b", "subnet-0c"]
  group_ids       = ["sg-0"]
  repository_arns = ["arn:aws:ecr:us-east-1:123456789012:repository/dev/server"]
  ami_id          = "ami-0123456789abcdef0"
}

run "takes_every_limit" {
  command = plan

  variables {
    min                 = 3
    max                 = 3
    desired             = 3
    target_capacity     = 1
    warmup_s            = 10000
    reserved_memory_mib = 0
    disk_gib            = 30
    attributes          = { "com.example/rack" = "a b" }
    subnet_ids          = ["subnet-0a", "subnet-0b"]
    instance_type       = "c8gn.xlarge"
  }
}

run "refuses_set_1" {
  command = plan

  variables {
    # refuses a project in capitals
    project = "Dev"
    # refuses a long account id
    account_id = "1234567890123"
    # refuses a pool name with a dot
    name = "main.1"
    # refuses intel
    instance_type = "m7i.2xlarge"
    # refuses a negative min
    min = -1
    # refuses no group
    group_ids = []
    # refuses every repository
    repository_arns = ["*"]
    # refuses an image name
    ami_id = "al2023"
    # refuses another workload
    attributes = { workload = "other" }
    # refuses to aim at nothing
    target_capacity = 0
    # refuses an endless warmup
    warmup_s = 10001
    # refuses negative reserved memory
    reserved_memory_mib = -1
    # refuses a disk below the image
    disk_gib = 29
  }

  expect_failures = [var.project, var.account_id, var.name, var.instance_type, var.min, var.group_ids, var.repository_arns, var.ami_id, var.attributes, var.target_capacity, var.warmup_s, var.reserved_memory_mib, var.disk_gib]
}

run "refuses_set_2" {
  command = plan

  variables {
    # refuses a project that ecs keeps for itself
    project = "ecs-dev"
    # refuses a gpu of x86
    instance_type = "g4dn.xlarge"
    # refuses max below min
    min = 4
    max = 3
    # refuses one zone
    subnet_ids = ["subnet-0a"]
    # refuses no repository
    repository_arns = []
    # refuses an attribute that breaks the file
    attributes = { rack = "a\nb" }
  }

  expect_failures = [var.project, var.instance_type, var.max, var.subnet_ids, var.repository_arns, var.attributes]
}

run "refuses_no_instances_at_most" {
  command = plan

  variables {
    max = 0
  }

  expect_failures = [var.max]
}

run "refuses_desired_above_max" {
  command = plan

  variables {
    desired = 11
  }

  expect_failures = [var.desired]
}
