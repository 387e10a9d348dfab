resource "aws_security_group" "party" {
  #checkov:skip=CKV2_AWS_5:other modules attach it, by the output group_ids
  for_each = var.groups

  name        = "${var.project}-${each.key}"
  description = "What ${each.key} may call, and who may call it"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.project}-${each.key}" }
}

resource "aws_security_group" "endpoint" {
  #checkov:skip=CKV2_AWS_5:endpoints.tf attaches it; the check does not follow for_each
  for_each = var.interface_endpoints

  name        = "${var.project}-endpoint-${replace(each.key, ".", "-")}"
  description = "Who may call the endpoint of ${each.key}"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.project}-endpoint-${each.key}" }
}
