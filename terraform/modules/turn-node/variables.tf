variable "name" {
  description = "For instance rotunda-production-eu-central; the fleet's name is NAME-turn."
  type        = string
}

variable "region" {
  type = string
}

variable "edge" {
  description = "The Worker's address, wss://host."
  type        = string

  validation {
    condition     = startswith(var.edge, "wss://")
    error_message = "begins with wss://"
  }
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  type = list(string)
}

variable "architecture" {
  type = string
}

variable "instance_type" {
  type = string
}

variable "image_id" {
  type    = string
  default = null
}

variable "hosts_min" {
  type = number
}

variable "hosts_max" {
  type = number
}

variable "udp_port" {
  type    = number
  default = 3478
}

variable "tcp_port" {
  description = "Port for TURN over TCP, and over TLS with `acme` or a certificate in the settings. Many networks allow only 443."
  type        = number
  default     = 443
}

variable "relay_ports" {
  description = "First and last port of allocations."
  type        = list(number)
  default     = [49152, 65535]

  validation {
    condition     = length(var.relay_ports) == 2 && try(var.relay_ports[0] < var.relay_ports[1], false)
    error_message = "a first and a last port"
  }
}

variable "busy_permille_target" {
  type    = number
  default = 600
}

variable "allocations_target" {
  description = "Target for the average number of allocations on a host."
  type        = number
  default     = 6000
}

variable "disk_gib" {
  type    = number
  default = 16
}

variable "settings" {
  description = "Additional environment variables of the node."
  type        = map(string)
  default     = {}
}

variable "acme" {
  description = "The authority from which each host orders the certificate for its own name; null for none."
  type = object({
    directory = string
    contact   = optional(string)
  })
  default = null

  validation {
    condition     = var.acme == null || startswith(try(var.acme.directory, ""), "https://")
    error_message = "the directory begins with https://"
  }

  validation {
    condition     = var.acme == null || var.names != null
    error_message = "a certificate needs the hosts' names (names)"
  }

  # RFC 8737 §3.
  validation {
    condition     = var.acme == null || var.tcp_port == 443
    error_message = "the authority connects to port 443 (tcp_port)"
  }
}

variable "parameters" {
  description = "Path of the secrets in Parameter Store."
  type        = string
}

variable "secrets_kms_key_arn" {
  type    = string
  default = null
}

variable "program" {
  type = object({
    bucket        = string
    bucket_arn    = string
    bucket_region = string
    key           = string
    sha256        = string
    kms_key_arn   = string
  })
}

variable "names" {
  type = object({
    zone   = string
    suffix = string
  })
  default = null
}
