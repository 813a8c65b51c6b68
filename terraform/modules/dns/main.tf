# A zone in which every host registers a name of its own, HOST.REGION.DOMAIN, and removes it before it drains.

resource "aws_route53_zone" "hosts" {
  #checkov:skip=CKV2_AWS_38:the parent zone is in Cloudflare; clients learn the addresses of hosts from the edge, over TLS
  #checkov:skip=CKV2_AWS_39:a log of queries would keep the resolvers of participants
  name    = var.domain
  comment = "Hosts of Rotunda"
}

resource "aws_route53_record" "certificate_authorities" {
  zone_id = aws_route53_zone.hosts.zone_id
  name    = var.domain
  type    = "CAA"
  ttl     = 3600
  records = concat(
    [for authority in var.certificate_authorities : "0 issue \"${authority}\""],
    # No wildcard certificate: one that leaks would stand for every host.
    ["0 issuewild \";\""],
    var.reports_to == null ? [] : ["0 iodef \"${var.reports_to}\""],
  )
}
