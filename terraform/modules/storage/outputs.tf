output "recording" {
  description = "The bucket and its region, as in the settings of nodes and Worker."
  value = {
    bucket     = aws_s3_bucket.all["recordings"].id
    region     = data.aws_region.current.name
    encryption = var.encryption == "aws:kms" ? "aws:kms:${aws_kms_key.storage[0].arn}" : "AES256"
  }
}

output "programs" {
  description = "The bucket and the object of each program, by `kind/architecture`."
  value = { for name, object in aws_s3_object.programs : name => {
    bucket        = aws_s3_bucket.all["programs"].id
    bucket_arn    = aws_s3_bucket.all["programs"].arn
    bucket_region = data.aws_region.current.name
    key           = object.key
    sha256        = object.source_hash
    kms_key_arn   = var.encryption == "aws:kms" ? aws_kms_key.storage[0].arn : null
  } }
}

output "users" {
  description = "Users whose access keys you create by hand."
  value       = { for name, user in aws_iam_user.recordings : name => user.name }
}

output "user_statements" {
  value = local.user_statements
}
