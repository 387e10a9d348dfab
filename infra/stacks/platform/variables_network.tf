variable "cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false
}

variable "zones" {
  description = "Three availability zones; null: the region's a, b and c."
  type        = list(string)
  default     = null

  validation {
    condition     = var.zones == null ? true : length(var.zones) == 3 && length(distinct(var.zones)) == 3 && alltrue([for zone in var.zones : startswith(zone, var.region)])
    error_message = "Expected three different zones of ${var.region}, got [${join(", ", coalesce(var.zones, []))}]. Set zones, or leave it out for ${var.region}a, b and c."
  }
}

variable "egress_mode" {
  description = "endpoints: AWS is reached by VPC endpoints alone, nothing else is. nat: instances may also pull images from the internet."
  type        = string
  default     = "endpoints"
  nullable    = false

  validation {
    condition     = contains(["endpoints", "nat"], var.egress_mode)
    error_message = "Expected egress_mode to be endpoints or nat, got '${var.egress_mode}'. Set one of them."
  }
}
