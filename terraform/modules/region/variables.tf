variable "name" {
  description = "For instance rotunda-production."
  type        = string
}

variable "region" {
  description = "Rotunda's name for the region, one of the Worker's REGIONS."
  type        = string
}

variable "settings" {
  description = "The region's entry in the map of terraform.tfvars.json."
  type = object({
    aws_region = string
    cidr       = optional(string, "10.0.0.0/20")
    zones      = optional(number, 3)
    media_node = object({
      architecture  = optional(string, "arm64")
      instance_type = string
      shards        = number
      hosts_min     = number
      hosts_max     = number
      sessions_max  = optional(number, 2000)
      settings      = optional(map(string), {})
      traces        = optional(object({ collector = string, has_authorization = optional(bool, false) }))
    })
    turn_node = object({
      architecture  = optional(string, "arm64")
      instance_type = string
      hosts_min     = number
      hosts_max     = number
      settings      = optional(map(string), {})
      acme          = optional(object({ directory = string, contact = optional(string) }))
    })
  })
}

variable "edge" {
  type = string
}

variable "programs" {
  description = "Output of module storage."
  type = map(object({
    bucket        = string
    bucket_arn    = string
    bucket_region = string
    key           = string
    sha256        = string
    kms_key_arn   = string
  }))
}

variable "recording" {
  description = "Output of module storage; null turns recording off."
  type = object({
    bucket     = string
    region     = string
    encryption = string
  })
}

variable "names" {
  description = "Output of module dns, by region; null if hosts have no names."
  type = map(object({
    zone   = string
    suffix = string
  }))
}

variable "parameters" {
  description = "Path of the secrets in Parameter Store."
  type        = string
}

variable "alarm_emails" {
  type = set(string)
}

variable "alarm_thresholds" {
  type = map(number)
}

variable "runbooks" {
  type = string
}
