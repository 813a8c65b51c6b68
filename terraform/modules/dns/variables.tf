variable "domain" {
  description = "The hosts' subdomain, for instance nodes.rotunda.example.org. The Worker's name is in the zone at Cloudflare, which delegates this subdomain."
  type        = string
}

variable "regions" {
  description = "Rotunda's names for the regions."
  type        = list(string)
}

variable "certificate_authorities" {
  description = "Authorities that may issue certificates for hosts (CAA, RFC 8659)."
  type        = list(string)
  default     = ["letsencrypt.org"]
}

variable "reports_to" {
  description = "URL to which authorities report refused certificate requests, for instance mailto:security@example.org."
  type        = string
  default     = null
}
