locals {
  nat_zone_numbers = var.egress_mode == "nat" ? local.zone_numbers : {}
}

resource "aws_internet_gateway" "this" {
  count = var.egress_mode == "nat" ? 1 : 0

  vpc_id = aws_vpc.this.id

  tags = { Name = var.project }
}

resource "aws_subnet" "public" {
  for_each = local.nat_zone_numbers

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.cidr, 8, 240 + each.value)
  map_public_ip_on_launch = false

  tags = { Name = "${var.project}-public-${each.key}" }
}

resource "aws_route_table" "public" {
  count = var.egress_mode == "nat" ? 1 : 0

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.project}-public" }
}

resource "aws_route" "public" {
  count = var.egress_mode == "nat" ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  gateway_id             = aws_internet_gateway.this[0].id
  destination_cidr_block = "0.0.0.0/0"
}

resource "aws_route_table_association" "public" {
  for_each = local.nat_zone_numbers

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_eip" "nat" {
  for_each = local.nat_zone_numbers

  domain = "vpc"

  tags = { Name = "${var.project}-nat-${each.key}" }

  # An address of a VPC needs its internet gateway first, and must be gone before it.
  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  for_each = local.nat_zone_numbers

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.project}-${each.key}" }

  depends_on = [aws_route.public]
}

resource "aws_route" "nat" {
  for_each = local.nat_zone_numbers

  route_table_id         = aws_route_table.private[each.key].id
  nat_gateway_id         = aws_nat_gateway.this[each.key].id
  destination_cidr_block = "0.0.0.0/0"
}
