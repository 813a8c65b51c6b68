mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "example-rotunda-test"
  app_origins = ["https://rotunda.example.org"]
  programs    = { "media-node/arm64" = "../../../docs/systemd/media-node.service" }
}

run "every_bucket_is_private_versioned_and_encrypted" {
  assert {
    condition     = keys(aws_s3_bucket.all) == ["logs", "programs", "recordings"]
    error_message = "three buckets"
  }

  assert {
    condition = alltrue([for name, bucket in aws_s3_bucket.all :
      aws_s3_bucket_public_access_block.all[name].block_public_acls &&
      aws_s3_bucket_public_access_block.all[name].block_public_policy &&
      aws_s3_bucket_public_access_block.all[name].ignore_public_acls &&
      aws_s3_bucket_public_access_block.all[name].restrict_public_buckets &&
      aws_s3_bucket_ownership_controls.all[name].rule[0].object_ownership == "BucketOwnerEnforced"
    ])
    error_message = "a bucket may be made public"
  }

  assert {
    condition     = alltrue([for name, bucket in aws_s3_bucket.all : aws_s3_bucket_versioning.all[name].versioning_configuration[0].status == "Enabled"])
    error_message = "a bucket without versions"
  }

  assert {
    condition = { for name, config in aws_s3_bucket_server_side_encryption_configuration.all :
      name => one(one(config.rule).apply_server_side_encryption_by_default).sse_algorithm
    } == { logs = "AES256", programs = "AES256", recordings = "AES256" }
    error_message = "a bucket without encryption"
  }

  assert {
    condition = alltrue([for name, policy in aws_s3_bucket_policy.all :
      jsondecode(policy.policy).Statement[0].Effect == "Deny" &&
      jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    ]) && length(aws_s3_bucket_policy.all) == 3
    error_message = "a bucket that answers without TLS"
  }

  assert {
    condition     = { for name, logging in aws_s3_bucket_logging.all : name => logging.target_prefix } == { programs = "programs/", recordings = "recordings/" }
    error_message = "who read what is written down"
  }
}

run "a_key_of_this_account_encrypts_if_that_is_wanted" {
  variables {
    encryption = "aws:kms"
  }

  assert {
    condition = { for name, config in aws_s3_bucket_server_side_encryption_configuration.all :
      name => one(one(config.rule).apply_server_side_encryption_by_default).sse_algorithm
    } == { logs = "AES256", programs = "aws:kms", recordings = "aws:kms" }
    error_message = "SSE-KMS"
  }

  assert {
    condition     = aws_kms_key.storage[0].enable_key_rotation && output.recording.encryption == "aws:kms:arn:aws:kms:eu-central-1:123456789012:key/k1"
    error_message = "nodes name the key, and it rotates"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.all["recordings"].rule).bucket_key_enabled
    error_message = "a call to KMS for each part"
  }

  assert {
    condition = { for user, statements in output.user_statements : user => toset(flatten([for statement in statements : statement.Action if statement.Sid == "Key"])) } == {
      nodes = toset(["kms:GenerateDataKey", "kms:Decrypt"])
      edge  = toset(["kms:Decrypt"])
    }
    error_message = "nodes write, the edge reads"
  }
}

# Holds S1-REC-02.
run "recordings_move_from_hot_to_cold" {
  variables {
    cold_after_days   = 45
    delete_after_days = 400
    deleted_kept_days = 7
  }

  assert {
    condition = one([for rule in aws_s3_bucket_lifecycle_configuration.recordings.rule :
      [one(rule.filter).prefix, one(rule.transition).days, one(rule.transition).storage_class, rule.status] if rule.id == "hot-to-cold"
    ]) == ["recordings/", 45, "GLACIER_IR", "Enabled"]
    error_message = "after as many days as the variable says"
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.recordings.rule : one(rule.expiration).days if rule.id == "delete"]) == 400
    error_message = "deleted when the variable says"
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.recordings.rule : one(rule.noncurrent_version_expiration).noncurrent_days if rule.id == "deleted"]) == 7
    error_message = "what was deleted is kept as long as the variable says"
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.recordings.rule : one(rule.abort_incomplete_multipart_upload).days_after_initiation if rule.id == "unfinished-uploads"]) == 1
    error_message = "docs/operations.md: abort unfinished uploads after a day"
  }
}

run "recordings_stay_hot_if_that_is_wanted" {
  variables {
    cold_after_days   = null
    delete_after_days = 30
  }

  assert {
    condition     = toset(aws_s3_bucket_lifecycle_configuration.recordings.rule[*].id) == toset(["unfinished-uploads", "delete", "deleted"])
    error_message = "no rule moves them"
  }
}

run "recordings_are_not_deleted_before_they_are_cold" {
  command = plan

  variables {
    cold_after_days   = 30
    delete_after_days = 30
  }

  expect_failures = [var.delete_after_days]
}

run "recordings_are_kept_unless_a_variable_says_otherwise" {
  assert {
    condition     = length([for rule in aws_s3_bucket_lifecycle_configuration.recordings.rule : rule if rule.id == "delete"]) == 0
    error_message = "nothing is deleted by default"
  }
}

run "the_app_may_read_and_nothing_else" {
  assert {
    condition = one([for rule in aws_s3_bucket_cors_configuration.recordings.cors_rule :
      [rule.allowed_methods, rule.allowed_origins]
    ]) == [toset(["GET", "HEAD"]), toset(["https://rotunda.example.org"])]
    error_message = "GET and HEAD from the app's origin"
  }
}

run "an_origin_with_a_wildcard_is_refused" {
  command = plan

  variables {
    app_origins = ["https://*.example.org"]
  }

  expect_failures = [var.app_origins]
}

run "nodes_and_edge_may_do_what_operations_says" {
  assert {
    condition = { for user, statements in output.user_statements : user => toset(flatten(statements[*].Action)) } == {
      nodes = toset(["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucket"])
      edge  = toset(["s3:GetObject", "s3:DeleteObject", "s3:ListBucket"])
    }
    error_message = "put, get, list and delete for nodes; get, list and delete for the edge"
  }

  assert {
    condition = alltrue([for statements in values(output.user_statements) :
      statements[0].Resource == ["arn:aws:s3:::a-bucket/recordings/*"] && statements[1].Condition.StringLike["s3:prefix"] == ["recordings/*"]
    ])
    error_message = "under recordings/ alone"
  }

  assert {
    condition     = alltrue([for user, policy in aws_iam_group_policy.recordings : jsondecode(policy.policy).Statement[*].Sid == output.user_statements[user][*].Sid])
    error_message = "the policies have these statements"
  }
}

run "programs_are_named_by_their_contents" {
  assert {
    condition     = output.programs["media-node/arm64"].sha256 == filesha256("../../../docs/systemd/media-node.service") && endswith(output.programs["media-node/arm64"].key, output.programs["media-node/arm64"].sha256)
    error_message = "hosts check the SHA-256 of what they install"
  }
}
