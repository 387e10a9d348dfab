locals {
  backup_roles = {
    backup  = { policy = "AWSBackupServiceRolePolicyForBackup", purpose = "Copies the DSQL cluster" }
    restore = { policy = "AWSBackupServiceRolePolicyForRestores", purpose = "Restores a copy of the DSQL cluster, in a drill or after a loss" }
  }
}

resource "aws_iam_role" "backup" {
  for_each = { for name, role in local.backup_roles : name => role if var.backup.enabled }

  name        = "${var.project}-dsql-${each.key}"
  description = each.value.purpose

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "backup.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "backup" {
  for_each = aws_iam_role.backup

  role       = each.value.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/service-role/${local.backup_roles[each.key].policy}"
}
