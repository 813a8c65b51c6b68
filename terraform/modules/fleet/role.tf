# The permissions of a host: nothing beyond these statements.

locals {
  account = data.aws_caller_identity.current.account_id
  aws     = data.aws_region.current.name

  parameter_arns = [
    for name in sort(distinct(concat([var.node_key], values(var.secrets)))) :
    "arn:aws:ssm:${local.aws}:${local.account}:parameter/${trimprefix(name, "/")}"
  ]

  statements = concat(
    [
      {
        Sid      = "Program"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${var.program.bucket_arn}/${var.program.key}"]
      },
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = local.parameter_arns
      },
      {
        Sid    = "Lifecycle"
        Effect = "Allow"
        Action = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"]
        # The group's id is known to AWS alone; its name is ours.
        Resource = ["arn:aws:autoscaling:${local.aws}:${local.account}:autoScalingGroup:*:autoScalingGroupName/${var.name}"]
      },
      {
        Sid       = "Readings"
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = ["*"]
        Condition = { StringEquals = { "cloudwatch:namespace" = var.namespace } }
      },
      {
        # Sessions of Session Manager, instead of SSH. The managed policy of AWS would also read every parameter.
        Sid    = "Sessions"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation",
          "ssmmessages:CreateControlChannel",
          "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel",
          "ssmmessages:OpenDataChannel",
        ]
        Resource = ["*"]
      },
    ],
    var.secrets_kms_key_arn == null ? [] : [{
      Sid       = "SecretsKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [var.secrets_kms_key_arn]
      Condition = { "ForAnyValue:StringEquals" = { "kms:EncryptionContext:PARAMETER_ARN" = local.parameter_arns } }
    }],
    var.program.kms_key_arn == null ? [] : [{
      Sid       = "ProgramKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [var.program.kms_key_arn]
      Condition = { StringLike = { "kms:EncryptionContext:aws:s3:arn" = [var.program.bucket_arn, "${var.program.bucket_arn}/*"] } }
    }],
    var.names == null ? [] : [{
      Sid      = "Name"
      Effect   = "Allow"
      Action   = ["route53:ChangeResourceRecordSets"]
      Resource = ["arn:aws:route53:::hostedzone/${var.names.zone}"]
      Condition = {
        "ForAllValues:StringLike"   = { "route53:ChangeResourceRecordSetsNormalizedRecordNames" = ["i-*.${var.names.suffix}"] }
        "ForAllValues:StringEquals" = { "route53:ChangeResourceRecordSetsRecordTypes" = ["A", "AAAA"] }
      }
    }],
  )
}

resource "aws_iam_role" "host" {
  name_prefix = "${substr(var.name, 0, 37)}-"
  description = "Hosts of ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "host" {
  name   = "host"
  role   = aws_iam_role.host.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_iam_instance_profile" "host" {
  name_prefix = "${substr(var.name, 0, 37)}-"
  role        = aws_iam_role.host.name
}
