# Retention periods and storage classes of objects.

resource "aws_s3_bucket_lifecycle_configuration" "recordings" {
  #checkov:skip=CKV_AWS_300:rule unfinished-uploads does it, and this check loses it beside a dynamic rule; storage.tftest.hcl asserts it
  bucket = aws_s3_bucket.all["recordings"].id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  dynamic "rule" {
    for_each = var.cold_after_days == null ? [] : [var.cold_after_days]

    content {
      id     = "hot-to-cold"
      status = "Enabled"

      filter {
        prefix = "recordings/"
      }

      transition {
        days = rule.value
        # Milliseconds to the first byte, as with the hot class: recordings stay playable.
        storage_class = "GLACIER_IR"
      }
    }
  }

  dynamic "rule" {
    for_each = var.delete_after_days == null ? [] : [var.delete_after_days]

    content {
      id     = "delete"
      status = "Enabled"

      filter {
        prefix = "recordings/"
      }

      expiration {
        days = rule.value
      }
    }
  }

  rule {
    id     = "deleted"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.deleted_kept_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.all]
}

resource "aws_s3_bucket_lifecycle_configuration" "other" {
  for_each = { programs = 365, logs = 90 }

  bucket = aws_s3_bucket.all[each.key].id

  rule {
    id     = "old"
    status = "Enabled"
    filter {}

    dynamic "expiration" {
      # The programs in use are current versions, and stay.
      for_each = each.key == "logs" ? [each.value] : []

      content {
        days = expiration.value
      }
    }

    noncurrent_version_expiration {
      noncurrent_days = each.value
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.all]
}
