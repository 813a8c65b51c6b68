terraform {
  required_version = ">= 1.9"

  required_providers {
    # Each region is called with a provider of its own.
    # tflint-ignore: terraform_unused_required_providers
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6"
    }
  }
}
