variable "name" {
  description = "For instance rotunda-production-eu-central; the fleet's name is NAME-media."
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

variable "shards" {
  description = "Threads that forward media, one for each virtual CPU of the instance type. Each has a UDP port."
  type        = number

  validation {
    condition     = var.shards >= 1 && var.shards <= 256
    error_message = "from 1 to 256"
  }
}

variable "udp_port" {
  description = "UDP port of the first thread; the others use the following ports."
  type        = number
  default     = 7000
}

variable "tcp_port" {
  description = "TCP port for clients whose network blocks UDP, one for all threads; many networks allow only 443."
  type        = number
  default     = 443
}

variable "sessions_max" {
  description = "Maximum number of sessions on a host."
  type        = number
  default     = 2000
}

variable "busy_permille_target" {
  description = "Target for the average over the hosts: the use of a host's busiest thread (docs/operations.md, Capacity)."
  type        = number
  default     = 600
}

variable "sessions_percent_target" {
  description = "Target for the average over the hosts: sessions as a share of `sessions_max`."
  type        = number
  default     = 70
}

variable "recording" {
  description = "The bucket for recordings; null turns recording off."
  type = object({
    bucket     = string
    region     = string
    encryption = string
  })
  default = null
}

variable "traces" {
  description = "The collector of traces, and whether the parameter `otlp-authorization` has a secret for it; null for none."
  type = object({
    collector         = string
    has_authorization = optional(bool, false)
  })
  default = null

  # The security group lets nothing out over TCP but to port 443, and a secret needs TLS.
  validation {
    condition     = var.traces == null || can(regex("^https://[^/:]+$", var.traces.collector))
    error_message = "https:// and a host, without a port and a path"
  }
}

variable "disk_gib" {
  description = "Disk for the system and the spool of recordings, which grows to 16 GiB while storage is unreachable."
  type        = number
  default     = 32
}

variable "settings" {
  description = "Additional environment variables of the node, for instance bandwidth limits."
  type        = map(string)
  default     = {}
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
