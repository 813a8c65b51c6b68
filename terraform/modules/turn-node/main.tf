# The TURN nodes of one region.

locals {
  acme = var.acme == null ? {} : {
    for name, value in { TURN_ACME_DIRECTORY = var.acme.directory, TURN_ACME_CONTACT = var.acme.contact } :
    name => value if value != null
  }

  settings = merge(
    {
      TURN_EDGE   = var.edge
      TURN_REGION = var.region
      # Both families; IPv4 arrives on the same socket.
      TURN_LISTEN      = "[::]:${var.udp_port}"
      TURN_TCP_LISTEN  = "[::]:${var.tcp_port}"
      TURN_RELAY_PORTS = "${var.relay_ports[0]}-${var.relay_ports[1]}"
      TURN_LOG_FORMAT  = "json"
    },
    local.acme,
    var.settings,
  )
}

resource "aws_security_group" "turn" {
  #checkov:skip=CKV2_AWS_5:the launch template of module fleet uses it
  name_prefix = "${var.name}-turn-"
  description = "TURN nodes: the UDP and TCP of clients and the UDP of peers in"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-turn" }

  lifecycle {
    create_before_destroy = true
  }
}

# UDP from anywhere in and to anywhere out: flows that both rules allow whole are not tracked, so there is no table of
# connections that a busy host could fill.
resource "aws_vpc_security_group_ingress_rule" "turn" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.turn.id
  description       = "Clients"
  ip_protocol       = "udp"
  from_port         = var.udp_port
  to_port           = var.udp_port
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_vpc_security_group_ingress_rule" "streams" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.turn.id
  description       = "Clients whose networks block UDP"
  ip_protocol       = "tcp"
  from_port         = var.tcp_port
  to_port           = var.tcp_port
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_vpc_security_group_ingress_rule" "relay" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.turn.id
  description       = "Media nodes and other peers, to the relay ports of allocations"
  ip_protocol       = "udp"
  from_port         = var.relay_ports[0]
  to_port           = var.relay_ports[1]
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_vpc_security_group_egress_rule" "turn" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.turn.id
  description       = "Clients, media nodes and other peers"
  ip_protocol       = "udp"
  from_port         = 0
  to_port           = 65535
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.turn.id
  description       = "The edge and AWS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

module "fleet" {
  source = "../fleet"

  name              = "${var.name}-turn"
  kind              = "turn-node"
  prefix            = "TURN"
  region            = var.region
  subnet_ids        = var.subnet_ids
  security_group_id = aws_security_group.turn.id
  architecture      = var.architecture
  instance_type     = var.instance_type
  image_id          = var.image_id
  disk_gib          = var.disk_gib
  hosts_min         = var.hosts_min
  hosts_max         = var.hosts_max
  program           = var.program
  settings          = local.settings
  # A host knows its public IPv4 address by name only: AWS translates it to the private one.
  addresses = merge(
    {
      TURN_RELAY      = ["public-ipv4", "ipv6"]
      TURN_RELAY_BIND = ["local-ipv4", "ipv6"]
    },
    var.acme == null ? {} : { TURN_TLS_NAME = ["name"] },
  )
  secrets             = { TURN_KEYS = "${var.parameters}/turn-keys" }
  node_key            = "${var.parameters}/node-key"
  secrets_kms_key_arn = var.secrets_kms_key_arn
  http                = "http://127.0.0.1:7090"
  names               = var.names

  scaling = {
    BusiestShardPermille = var.busy_permille_target
    Allocations          = var.allocations_target
  }
}
