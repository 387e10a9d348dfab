mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project    = "demo"
  region     = "us-east-1"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-a", "subnet-b", "subnet-c"]
  group_id   = "sg-dsql"
  services = {
    history = { planned_count = 6, autoscale_max = 6, max_percent = 100, rate_per_s = 8, burst = 40, pool_size = 50, reservoir = 0 }
  }
}

run "a_cluster_of_its_own" {
  assert {
    condition     = aws_dsql_cluster.this[0].deletion_protection_enabled
    error_message = "the cluster is protected unless told otherwise"
  }

  assert {
    condition     = output.identifier == "abcdefghijklmnopqrstuvwxyz" && output.endpoint == "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
    error_message = "the public name follows from id and region; it is ${output.endpoint}"
  }

  assert {
    condition     = output.private_endpoint == "abcdefghijklmnopqrstuvwxyz.dsql-abcd.us-east-1.on.aws"
    error_message = "the private name carries the suffix of the endpoint service; it is ${output.private_endpoint}"
  }

  assert {
    condition = (
      aws_vpc_endpoint.this.service_name == "com.amazonaws.us-east-1.dsql-abcd" && aws_vpc_endpoint.this.private_dns_enabled
      && aws_vpc_endpoint.this.security_group_ids == toset(["sg-dsql"]) && aws_vpc_endpoint.this.subnet_ids == toset(var.subnet_ids)
    )
    error_message = "the private endpoint stands in every zone, behind the given group"
  }

  assert {
    condition     = aws_backup_selection.this[0].resources == toset([output.arn])
    error_message = "this cluster, and nothing else, is copied"
  }

  assert {
    condition     = one(aws_backup_plan.this[0].rule).lifecycle[0].delete_after == 35
    error_message = "copies are kept 35 days"
  }

  assert {
    condition = { for name, attachment in aws_iam_role_policy_attachment.backup : name => attachment.policy_arn } == {
      backup  = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
      restore = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores"
    }
    error_message = "copying and restoring are two roles"
  }

  assert {
    condition     = output.backup.vault_name == "demo-dsql"
    error_message = "the vault comes out"
  }
}

run "an_existing_cluster" {
  command = plan

  variables {
    create = false
    existing = {
      identifier                = "zyxwvutsrqponmlkjihgfedcba"
      arn                       = "arn:aws:dsql:us-east-1:123456789012:cluster/zyxwvutsrqponmlkjihgfedcba"
      endpoint                  = "zyxwvutsrqponmlkjihgfedcba.dsql.us-east-1.on.aws"
      vpc_endpoint_service_name = "com.amazonaws.us-east-1.dsql-wxyz"
    }
    account_id = "123456789012"
    backup     = { enabled = false }
  }

  assert {
    condition     = length(aws_dsql_cluster.this) == 0
    error_message = "no second cluster"
  }

  assert {
    condition = (
      output.arn == "arn:aws:dsql:us-east-1:123456789012:cluster/zyxwvutsrqponmlkjihgfedcba"
      && output.private_endpoint == "zyxwvutsrqponmlkjihgfedcba.dsql-wxyz.us-east-1.on.aws"
      && output.endpoint == "zyxwvutsrqponmlkjihgfedcba.dsql.us-east-1.on.aws"
    )
    error_message = "everything about it is known in a plan"
  }

  assert {
    condition     = output.limiter_table_arn == "arn:aws:dynamodb:us-east-1:123456789012:table/demo-dsql-rate-limiter"
    error_message = "the table's ARN is known in a plan; it is ${output.limiter_table_arn}"
  }

  assert {
    condition     = output.backup == null && length(aws_backup_vault.this) == 0 && length(aws_iam_role.backup) == 0
    error_message = "without backups nothing of AWS Backup is made"
  }
}

run "the_limiter_table" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.limiter.name == "demo-dsql-rate-limiter" && output.limiter_table_name == "demo-dsql-rate-limiter"
    error_message = "the table is named after the project"
  }

  assert {
    condition     = aws_dynamodb_table.limiter.hash_key == "pk" && one(aws_dynamodb_table.limiter.attribute).type == "S" && aws_dynamodb_table.limiter.range_key == null
    error_message = "the key is the string pk, as the server writes it"
  }

  assert {
    condition     = one(aws_dynamodb_table.limiter.ttl).attribute_name == "ttl_epoch" && one(aws_dynamodb_table.limiter.ttl).enabled
    error_message = "seconds that are over go by ttl_epoch"
  }

  assert {
    condition     = aws_dynamodb_table.limiter.billing_mode == "PAY_PER_REQUEST" && one(aws_dynamodb_table.limiter.server_side_encryption).enabled
    error_message = "billed by request, encrypted by KMS"
  }
}
