# Buckets: recordings, the programs that hosts install, and the log of who read what.

locals {
  buckets = {
    recordings = "${var.name}-recordings"
    programs   = "${var.name}-programs"
    logs       = "${var.name}-logs"
  }
  # S3 itself writes the log of access, and can do that only with its own key.
  encryption = { recordings = var.encryption, programs = var.encryption, logs = "AES256" }
}

resource "aws_s3_bucket" "all" {
  #checkov:skip=CKV_AWS_144:recordings are in S3's several zones; a copy in a second region doubles what keeping them costs
  #checkov:skip=CKV_AWS_145:var.encryption decides, and SSE-KMS is one of its values; S3 writes its log with AES256 only
  #checkov:skip=CKV_AWS_19:the algorithm is a variable, which this check cannot follow; storage.tftest.hcl asserts it for every bucket
  #checkov:skip=CKV2_AWS_62:nothing waits for news of a bucket
  #checkov:skip=CKV_AWS_18:the other buckets' access is logged to the logs bucket, which does not log itself
  #checkov:skip=CKV2_AWS_61:every bucket has a rule in lifecycle.tf, by for_each
  for_each = local.buckets

  bucket = each.value
}

resource "aws_s3_bucket_public_access_block" "all" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.all[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_kms_key" "storage" {
  count = var.encryption == "aws:kms" ? 1 : 0

  description             = "Recordings and programs of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Account"
      Effect    = "Allow"
      Action    = "kms:*"
      Resource  = "*"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
    }]
  })
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

resource "aws_s3_bucket_server_side_encryption_configuration" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = local.encryption[each.key]
      kms_master_key_id = local.encryption[each.key] == "aws:kms" ? aws_kms_key.storage[0].arn : null
    }
    # One data key for many objects: without it every part of a recording would be a paid call to KMS.
    bucket_key_enabled = local.encryption[each.key] == "aws:kms"
  }
}

resource "aws_s3_bucket_logging" "all" {
  for_each = toset(["recordings", "programs"])

  bucket        = aws_s3_bucket.all[each.key].id
  target_bucket = aws_s3_bucket.all["logs"].id
  target_prefix = "${each.key}/"
}

resource "aws_s3_bucket_policy" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(
    [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.all[each.key].arn, "${aws_s3_bucket.all[each.key].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }],
    each.key != "logs" ? [] : [{
      Sid       = "AccessLogs"
      Effect    = "Allow"
      Principal = { Service = "logging.s3.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = ["${aws_s3_bucket.all[each.key].arn}/*"]
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }],
  ) })

  depends_on = [aws_s3_bucket_public_access_block.all]
}

# The app plays recordings from URLs that the edge signs: reading, with ranges, and nothing else.
resource "aws_s3_bucket_cors_configuration" "recordings" {
  bucket = aws_s3_bucket.all["recordings"].id

  cors_rule {
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = var.app_origins
    allowed_headers = ["Range"]
    expose_headers  = ["Content-Length", "Content-Range", "ETag"]
    max_age_seconds = 3600
  }
}

resource "aws_s3_object" "programs" {
  for_each = var.programs

  bucket      = aws_s3_bucket.all["programs"].id
  key         = "${each.key}/${filesha256(each.value)}"
  source      = each.value
  source_hash = filesha256(each.value)

  depends_on = [aws_s3_bucket_server_side_encryption_configuration.all, aws_s3_bucket_versioning.all]
}
