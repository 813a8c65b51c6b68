# The media nodes of one region.

locals {
  udp_ports = [var.udp_port, var.udp_port + var.shards - 1]

  settings = merge(
    {
      MEDIA_EDGE   = var.edge
      MEDIA_REGION = var.region
      # Both families; IPv4 arrives on the same socket.
      MEDIA_LISTEN       = "[::]:${var.udp_port}"
      MEDIA_TCP_LISTEN   = "[::]:${var.tcp_port}"
      MEDIA_SHARDS       = tostring(var.shards)
      MEDIA_SESSIONS_MAX = tostring(var.sessions_max)
      MEDIA_LOG_FORMAT   = "json"
    },
    var.recording == null ? {} : {
      MEDIA_RECORD_BUCKET     = var.recording.bucket
      MEDIA_RECORD_REGION     = var.recording.region
      MEDIA_RECORD_ENCRYPTION = var.recording.encryption
      MEDIA_RECORD_PATH_STYLE = "false"
    },
    var.traces == null ? {} : { MEDIA_OTLP = var.traces.collector },
    var.settings,
  )

  secrets = merge(
    var.recording == null ? {} : {
      MEDIA_RECORD_ACCESS_KEY_ID     = "${var.parameters}/record-access-key-id"
      MEDIA_RECORD_SECRET_ACCESS_KEY = "${var.parameters}/record-secret-access-key"
    },
    try(var.traces.has_authorization, false) ? { MEDIA_OTLP_AUTHORIZATION = "${var.parameters}/otlp-authorization" } : {},
  )
}

resource "aws_security_group" "media" {
  #checkov:skip=CKV2_AWS_5:the launch template of module fleet uses it
  name_prefix = "${var.name}-media-"
  description = "Media nodes: clients' UDP in, one port for each thread, and one port for TCP"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-media" }

  lifecycle {
    create_before_destroy = true
  }
}

# UDP from anywhere in and to anywhere out: flows that both rules allow whole are not tracked, so there is no table of
# connections that a busy host could fill.
resource "aws_vpc_security_group_ingress_rule" "media" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.media.id
  description       = "Media of clients"
  ip_protocol       = "udp"
  from_port         = local.udp_ports[0]
  to_port           = local.udp_ports[1]
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_vpc_security_group_ingress_rule" "tcp" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.media.id
  description       = "Media of clients over TCP"
  ip_protocol       = "tcp"
  from_port         = var.tcp_port
  to_port           = var.tcp_port
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_vpc_security_group_egress_rule" "media" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.media.id
  description       = "Media to clients"
  ip_protocol       = "udp"
  from_port         = 0
  to_port           = 65535
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.media.id
  description       = "The edge, storage and AWS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

module "fleet" {
  source = "../fleet"

  name                = "${var.name}-media"
  kind                = "media-node"
  prefix              = "MEDIA"
  region              = var.region
  subnet_ids          = var.subnet_ids
  security_group_id   = aws_security_group.media.id
  architecture        = var.architecture
  instance_type       = var.instance_type
  image_id            = var.image_id
  disk_gib            = var.disk_gib
  hosts_min           = var.hosts_min
  hosts_max           = var.hosts_max
  program             = var.program
  settings            = local.settings
  addresses           = { MEDIA_ADVERTISE = ["public-ipv4", "ipv6"] }
  secrets             = local.secrets
  node_key            = "${var.parameters}/node-key"
  secrets_kms_key_arn = var.secrets_kms_key_arn
  http                = "http://127.0.0.1:7080"
  names               = var.names

  scaling = {
    BusiestShardPermille = var.busy_permille_target
    Sessions             = floor(var.sessions_max * var.sessions_percent_target / 100)
  }
}
