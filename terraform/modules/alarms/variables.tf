variable "name" {
  description = "For instance rotunda-production-eu-central: names of alarms begin with it."
  type        = string
}

variable "media" {
  description = "The group of media nodes."
  type = object({
    name      = string
    kind      = string
    namespace = string
    hosts_max = number
  })
}

variable "turn" {
  description = "The group of TURN nodes; null where a region has none."
  type = object({
    name      = string
    kind      = string
    namespace = string
    hosts_max = number
  })
  default = null
}

variable "emails" {
  description = "Addresses that get every alarm; AWS asks each for its consent."
  type        = set(string)
}

variable "runbooks" {
  description = "The page whose sections say what to do, without an anchor."
  type        = string
}

variable "thresholds" {
  description = "Thresholds by the key of the alarm, for instance media-core-saturated, where they differ from those of alarms.tf."
  type        = map(number)
  default     = {}
}
