resource "aws_backup_vault" "this" {
  #checkov:skip=CKV_AWS_166:the caller's key where there is one; else aws/backup encrypts it
  count = var.backup.enabled ? 1 : 0

  name        = "${var.project}-dsql"
  kms_key_arn = var.kms_key_arn
}

resource "aws_backup_plan" "this" {
  count = var.backup.enabled ? 1 : 0

  name = "${var.project}-dsql"

  rule {
    rule_name         = "scheduled"
    target_vault_name = aws_backup_vault.this[0].name
    schedule          = var.backup.schedule
    start_window      = 60
    completion_window = 720

    lifecycle {
      delete_after = var.backup.retention_days
    }
  }
}

# A cluster that is named by its ARN is copied whether or not the account opted in to DSQL: "Assign resources with AWS
# CLI", AWS Backup, read in November 2026.
resource "aws_backup_selection" "this" {
  count = var.backup.enabled ? 1 : 0

  name         = "${var.project}-dsql"
  plan_id      = aws_backup_plan.this[0].id
  iam_role_arn = aws_iam_role.backup["backup"].arn
  resources    = [local.arn]

  # AWS Backup tries the role when a selection is made.
  depends_on = [aws_iam_role_policy_attachment.backup]
}
