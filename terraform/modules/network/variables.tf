variable "name" {
  type = string
}

variable "cidr" {
  description = "IPv4 network of the region, a /20 or larger. Hosts have public addresses; no two regions are connected."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "an IPv4 network of /20 or larger"
  }
}

variable "zones" {
  description = "Number of availability zones for the hosts."
  type        = number

  validation {
    condition     = var.zones >= 2 && var.zones <= 6
    error_message = "from 2 to 6: one zone may fail"
  }
}
