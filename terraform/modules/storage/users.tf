# Nodes and edge sign with access keys, and the edge is outside AWS. The keys are made by hand (docs/operations.md,
# First deployment): Terraform would keep their secrets in its state.

locals {
  under_recordings = "${aws_s3_bucket.all["recordings"].arn}/recordings/*"

  users = {
    nodes = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    edge  = ["s3:GetObject", "s3:DeleteObject"]
  }

  user_statements = { for user, actions in local.users : user => concat(
    [
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = actions
        Resource = [local.under_recordings]
      },
      {
        Sid       = "List"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [aws_s3_bucket.all["recordings"].arn]
        Condition = { StringLike = { "s3:prefix" = ["recordings/*"] } }
      },
    ],
    var.encryption != "aws:kms" ? [] : [{
      Sid      = "Key"
      Effect   = "Allow"
      Action   = user == "nodes" ? ["kms:GenerateDataKey", "kms:Decrypt"] : ["kms:Decrypt"]
      Resource = [aws_kms_key.storage[0].arn]
    }],
  ) }
}

resource "aws_iam_user" "recordings" {
  #checkov:skip=CKV_AWS_273:the users are programs, whose only access is an S3 key
  for_each = local.users

  name = "${var.name}-recordings-${each.key}"
}

resource "aws_iam_group" "recordings" {
  for_each = local.users

  name = "${var.name}-recordings-${each.key}"
}

resource "aws_iam_user_group_membership" "recordings" {
  for_each = local.users

  user   = aws_iam_user.recordings[each.key].name
  groups = [aws_iam_group.recordings[each.key].name]
}

resource "aws_iam_group_policy" "recordings" {
  for_each = local.users

  name   = "recordings"
  group  = aws_iam_group.recordings[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.user_statements[each.key] })
}
