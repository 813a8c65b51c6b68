variable "domain" {
  description = "A subdomain for the hosts, for instance nodes.rotunda.example.org. The Worker's own name is in Cloudflare's zone, which delegates this one."
  type        = string
}

variable "regions" {
  description = "Rotunda's names of the regions."
  type        = list(string)
}

variable "certificate_authorities" {
  description = "Who may issue certificates for hosts (CAA, RFC 8659)."
  type        = list(string)
  default     = ["letsencrypt.org"]
}

variable "reports_to" {
  description = "Where an authority reports refused requests for certificates, for instance mailto:security@example.org."
  type        = string
  default     = null
}
