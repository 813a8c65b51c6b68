variable "name" {
  description = "The prefix of bucket names, for instance example-rotunda-production; bucket names are unique in all of AWS."
  type        = string
}

variable "app_origins" {
  description = "Web origins of the pages that play recordings, for instance https://rotunda.example.org."
  type        = list(string)

  validation {
    condition     = length(var.app_origins) > 0 && alltrue([for origin in var.app_origins : startswith(origin, "https://") && !strcontains(origin, "*")])
    error_message = "one or more of https://host, without wildcards"
  }
}

variable "encryption" {
  description = "`aws:kms` encrypts with a key of this account, and CloudTrail records its use; `AES256` encrypts with a key of S3."
  type        = string
  default     = "AES256"

  validation {
    condition     = contains(["AES256", "aws:kms"], var.encryption)
    error_message = "AES256 or aws:kms"
  }
}

variable "cold_after_days" {
  description = "Days until recordings move to a storage class at a fifth of the price, with a charge for reading and a minimum of 90 days; null keeps them where they are."
  type        = number
  default     = 30

  validation {
    condition     = var.cold_after_days == null || coalesce(var.cold_after_days, 1) >= 1
    error_message = "one day or more"
  }
}

variable "delete_after_days" {
  description = "Days until recordings are deleted; null keeps them."
  type        = number
  default     = null

  validation {
    condition     = var.delete_after_days == null || coalesce(var.delete_after_days, 1) > coalesce(var.cold_after_days, 0)
    error_message = "more days than cold_after_days: S3 refuses the rules otherwise"
  }
}

variable "deleted_kept_days" {
  description = "Days for which a deleted or overwritten recording can be restored."
  type        = number
  default     = 14
}

variable "programs" {
  description = "Files of the programs, by `kind/architecture`, for instance media-node/arm64."
  type        = map(string)
}
