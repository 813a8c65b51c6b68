variable "name" {
  description = "For instance rotunda-production-eu-central: the fleet is called NAME-media."
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
  description = "Of the first thread; the others have the ports behind it."
  type        = number
  default     = 7000
}

variable "tcp_port" {
  description = "For clients whose network lets out no UDP; many let out 443 only. The same for all threads."
  type        = number
  default     = 443
}

variable "sessions_max" {
  description = "Most sessions of a host."
  type        = number
  default     = 2000
}

variable "busy_permille_target" {
  description = "The use of its busiest thread that an average host is kept at; docs/operations.md, Capacity."
  type        = number
  default     = 600
}

variable "sessions_percent_target" {
  description = "The share of `sessions_max` that an average host is kept at."
  type        = number
  default     = 70
}

variable "recording" {
  description = "The bucket for recordings; nothing is recorded without one."
  type = object({
    bucket     = string
    region     = string
    encryption = string
  })
  default = null
}

variable "disk_gib" {
  description = "Holds the spool of recordings while storage is away: 16 GiB, besides the system."
  type        = number
  default     = 32
}

variable "settings" {
  description = "Further environment variables of the node, for instance its limits of bandwidth."
  type        = map(string)
  default     = {}
}

variable "parameters" {
  description = "Path in Parameter Store below which the secrets are."
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
