variable "name" {
  description = "Name of the auto-scaling group and its resources."
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
  description = "An instance type of the same architecture."
  type        = string
}

variable "image_id" {
  description = "An AMI; null starts each new host with the newest Amazon Linux 2023."
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
  description = "The group replaces hosts older than this, which gives them a new image. Node tokens are valid for 60 days."
  type        = number
  default     = 30

  validation {
    condition     = var.host_lifetime_days >= 1 && var.host_lifetime_days < 60
    error_message = "from 1 to 59: a host must be gone before its node token expires"
  }
}

variable "kind" {
  description = "media-node or turn-node: the name of the unit in docs/systemd, of the program and of its readings."
  type        = string

  validation {
    condition     = contains(["media-node", "turn-node"], var.kind)
    error_message = "media-node or turn-node"
  }
}

variable "prefix" {
  description = "The prefix of the node's environment variables."
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
  description = "The node's environment variables, except secrets."
  type        = map(string)
}

variable "addresses" {
  description = "Environment variables whose values are the host's addresses, which it gets from its metadata service; `name` is its name in `names`."
  type        = map(list(string))
}

variable "secrets" {
  description = "Environment variables whose values are in Parameter Store, and their names there."
  type        = map(string)
}

variable "node_key" {
  description = "Name of the parameter with the key that signs node tokens, as `kid:secret`."
  type        = string
}

variable "secrets_kms_key_arn" {
  description = "The KMS key of the SecureString parameters; null for the account's default key."
  type        = string
  default     = null
}

variable "http" {
  description = "Address at which the node serves its HTTP pages on the host."
  type        = string
}

variable "names" {
  description = "The Route 53 zone with the hosts' names, and the suffix of these names."
  type = object({
    zone   = string
    suffix = string
  })
  default = null
}

variable "scaling" {
  description = "Readings, each with the target at which the group keeps its average over the hosts."
  type        = map(number)
}

variable "namespace" {
  description = "The namespace of the readings in CloudWatch."
  type        = string
  default     = "Rotunda"
}
