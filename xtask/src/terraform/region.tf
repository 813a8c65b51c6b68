
provider "aws" {
  alias  = "MODULE"
  region = var.regions["REGION"].aws_region

  default_tags {
    tags = local.tags
  }
}

module "MODULE" {
  source    = "../../modules/region"
  providers = { aws = aws.MODULE }

  name             = var.name
  region           = "REGION"
  settings         = var.regions["REGION"]
  edge             = var.edge
  programs         = module.storage.programs
  recording        = module.storage.recording
  names            = one(module.dns[*].names)
  parameters       = var.parameters
  alarm_emails     = var.alarm_emails
  alarm_thresholds = var.alarm_thresholds
  runbooks         = var.runbooks
}
