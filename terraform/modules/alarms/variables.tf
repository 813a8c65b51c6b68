variable "name" {
  description = "The prefix of the alarms' names, for instance rotunda-production-eu-central."
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
  description = "The group of TURN nodes; null if the region has none."
  type = object({
    name      = string
    kind      = string
    namespace = string
    hosts_max = number
  })
  default = null
}

variable "emails" {
  description = "E-mail addresses that get every alarm; AWS asks each to confirm."
  type        = set(string)
}

variable "runbooks" {
  description = "URL of the page with the runbooks, without an anchor."
  type        = string
}

variable "thresholds" {
  description = "Thresholds that differ from those in alarms.tf, by the key of the alarm, for instance media-core-saturated."
  type        = map(number)
  default     = {}
}
