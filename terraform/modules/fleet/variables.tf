variable "name" {
  description = "Name of the auto-scaling group and of everything that belongs to it."
  type        = string
}

variable "region" {
  description = "Rotunda's name for the region, one of the Worker's REGIONS."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets, one for each zone."
  type        = list(string)
}

variable "security_group_id" {
  type = string
}

variable "architecture" {
  type = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "arm64 or x86_64"
  }
}

variable "instance_type" {
  description = "A type of the same architecture."
  type        = string
}

variable "image_id" {
  description = "An AMI; without one, each new host starts the newest Amazon Linux 2023."
  type        = string
  default     = null
}

variable "disk_gib" {
  type = number
}

variable "hosts_min" {
  type = number
}

variable "hosts_max" {
  type = number
}

variable "host_lifetime_days" {
  description = "The group replaces older hosts, which is how they get a new image. Node tokens are valid for 60 days."
  type        = number
  default     = 30

  validation {
    condition     = var.host_lifetime_days >= 1 && var.host_lifetime_days < 60
    error_message = "from 1 to 59: a host must be gone before its node token expires"
  }
}

variable "kind" {
  description = "media-node or turn-node: names the unit in docs/systemd, the program and its readings."
  type        = string

  validation {
    condition     = contains(["media-node", "turn-node"], var.kind)
    error_message = "media-node or turn-node"
  }
}

variable "prefix" {
  description = "Of the node's environment variables."
  type        = string
}

variable "program" {
  description = "The program in its bucket."
  type = object({
    bucket        = string
    bucket_arn    = string
    bucket_region = string
    key           = string
    sha256        = string
    kms_key_arn   = string
  })
}

variable "settings" {
  description = "Environment variables of the node, none of them secret."
  type        = map(string)
}

variable "addresses" {
  description = "Environment variables whose values are addresses, which the host asks its metadata service for."
  type        = map(list(string))
}

variable "secrets" {
  description = "Environment variables whose values are in Parameter Store, and the names they have there."
  type        = map(string)
}

variable "node_key" {
  description = "Name of the parameter with the key that signs node tokens, as `kid:secret`."
  type        = string
}

variable "secrets_kms_key_arn" {
  description = "The key of the SecureString parameters, where it is not the account's default one."
  type        = string
  default     = null
}

variable "http" {
  description = "Where the node serves its pages on the host."
  type        = string
}

variable "names" {
  description = "Route 53 zone in which each host has a name, and the suffix of these names."
  type = object({
    zone   = string
    suffix = string
  })
  default = null
}

variable "scaling" {
  description = "Readings whose average over the hosts the group keeps at a target."
  type        = map(number)
}

variable "namespace" {
  description = "Of the readings in CloudWatch."
  type        = string
  default     = "Rotunda"
}
