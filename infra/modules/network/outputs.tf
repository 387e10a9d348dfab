output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "The private subnets, in the order of zones."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "group_ids" {
  description = "Security group by party."
  value       = { for party, group in aws_security_group.party : party => group.id }
}

output "endpoint_group_ids" {
  description = "Security group of each interface endpoint, by service name."
  value       = { for name, group in aws_security_group.endpoint : name => group.id }
}

output "endpoint_ids" {
  description = "VPC endpoint by service name; s3 and dynamodb are gateways."
  value = merge(
    { for name, endpoint in aws_vpc_endpoint.interface : name => endpoint.id },
    { for name, endpoint in aws_vpc_endpoint.gateway : name => endpoint.id },
  )
}

output "prefix_list_ids" {
  description = "Prefix list of each gateway endpoint: s3, dynamodb."
  value       = { for name, endpoint in aws_vpc_endpoint.gateway : name => endpoint.prefix_list_id }
}

output "edges" {
  description = "The table that the rules were made from."
  value       = var.edges
}
