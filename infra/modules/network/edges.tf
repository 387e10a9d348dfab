variable "edges" {
  description = <<-TEXT
    Who may call whom. `from` is a party; `to` is a party, `endpoint:<interface endpoint>`, `prefix:s3`, `prefix:dynamodb`
    or, in nat mode, `internet`. Each edge becomes an egress rule at `from` and an ingress rule at `to`, over TCP.
  TEXT
  type = map(object({
    from        = string
    to          = string
    port        = number
    description = string
  }))
  nullable = false

  validation {
    condition = alltrue([for edge in var.edges : contains(var.groups, edge.from)])
    error_message = "edges must come from a party of groups; these do not: ${join("; ", [
      for key, edge in var.edges : "${key} (from ${edge.from})" if !contains(var.groups, edge.from)
    ])}. Add the party to groups, or correct the name."
  }

  validation {
    condition = alltrue([for edge in var.edges : contains(setunion(
      var.groups, [for name in var.interface_endpoints : "endpoint:${name}"], ["prefix:s3", "prefix:dynamodb", "internet"]
    ), edge.to)])
    error_message = "edges must lead to a party of groups, endpoint:<one of interface_endpoints>, prefix:s3, prefix:dynamodb or internet; these do not: ${join("; ", [
      for key, edge in var.edges : "${key} (to ${edge.to})" if !contains(setunion(
        var.groups, [for name in var.interface_endpoints : "endpoint:${name}"], ["prefix:s3", "prefix:dynamodb", "internet"]
      ), edge.to)
    ])}. Add the party to groups or the endpoint to interface_endpoints, or correct the name."
  }

  validation {
    condition = var.egress_mode == "nat" || alltrue([for edge in var.edges : edge.to != "internet"])
    error_message = "edges lead to the internet in nat mode alone; egress_mode is ${var.egress_mode}, and these do: ${join(", ", [
      for key, edge in var.edges : key if edge.to == "internet"
    ])}. Lead them to an endpoint, or set egress_mode to nat."
  }

  validation {
    condition = alltrue([
      for edge in var.edges : edge.port == 443 if edge.to == "internet" || startswith(edge.to, "endpoint:") || startswith(edge.to, "prefix:")
    ])
    error_message = "edges reach AWS and the internet on port 443 alone; these want another one: ${join("; ", [
      for key, edge in var.edges : "${key} (${edge.port})"
      if edge.port != 443 && (edge.to == "internet" || startswith(edge.to, "endpoint:") || startswith(edge.to, "prefix:"))
    ])}. Set port to 443."
  }

  validation {
    condition = alltrue([for edge in var.edges : edge.port >= 1 && edge.port <= 65535 && floor(edge.port) == edge.port])
    error_message = "edges need a whole port from 1 to 65535; these have none: ${join("; ", [
      for key, edge in var.edges : "${key} (${edge.port})" if !(edge.port >= 1 && edge.port <= 65535 && floor(edge.port) == edge.port)
    ])}."
  }

  validation {
    condition = length(var.edges) == length(distinct([for edge in var.edges : "${edge.from} ${edge.to} ${edge.port}"]))
    error_message = "edges must differ in from, to or port (AWS refuses the same rule twice); these repeat another: ${join(", ", [
      for key, edge in var.edges : key if length([for other in var.edges : other if other.from == edge.from && other.to == edge.to && other.port == edge.port]) > 1
    ])}. Keep one of each."
  }

  # What EC2 accepts as a rule's description: API reference, IpRange, read in November 2026.
  validation {
    condition = alltrue([for edge in var.edges : can(regex("^[0-9A-Za-z _.:/()#,@\\[\\]+=&;{}!$*-]{1,255}$", edge.description))])
    error_message = "edges need a description of 1 to 255 ASCII letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*; these have another: ${join(", ", [
      for key, edge in var.edges : key if !can(regex("^[0-9A-Za-z _.:/()#,@\\[\\]+=&;{}!$*-]{1,255}$", edge.description))
    ])}."
  }

  # 60 rules in each direction of a security group: Amazon VPC quotas, read in November 2026.
  validation {
    condition = alltrue([
      for party in distinct(values(var.edges)[*].from) : length([for edge in var.edges : edge if edge.from == party]) <= 60
    ])
    error_message = "edges may give a security group 60 egress rules; more come from ${join(", ", [
      for party in distinct(values(var.edges)[*].from) : "${party} (${length([for edge in var.edges : edge if edge.from == party])})"
      if length([for edge in var.edges : edge if edge.from == party]) > 60
    ])}. Split the party."
  }

  validation {
    condition = alltrue([
      for party in distinct(values(var.edges)[*].to) : length([for edge in var.edges : edge if edge.to == party]) <= 60
      if party != "internet" && !startswith(party, "prefix:")
    ])
    error_message = "edges may give a security group 60 ingress rules; more lead to ${join(", ", [
      for party in distinct(values(var.edges)[*].to) : "${party} (${length([for edge in var.edges : edge if edge.to == party])})"
      if length([for edge in var.edges : edge if edge.to == party]) > 60 && party != "internet" && !startswith(party, "prefix:")
    ])}. Split the callers, or lead them through a party of their own."
  }
}
