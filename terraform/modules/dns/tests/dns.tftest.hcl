mock_provider "aws" {
  source = "../../mocks"
}

variables {
  domain  = "nodes.rotunda.example.org"
  regions = ["eu-central", "us-east"]
}

run "hosts_have_names_in_their_region" {
  assert {
    condition = output.names == {
      eu-central = { zone = "Z0123456789", suffix = "eu-central.nodes.rotunda.example.org" }
      us-east    = { zone = "Z0123456789", suffix = "us-east.nodes.rotunda.example.org" }
    }
    error_message = "a suffix for each region"
  }

  assert {
    condition     = aws_route53_zone.hosts.name == var.domain
    error_message = "one zone"
  }
}

run "one_authority_may_issue_certificates_and_none_for_wildcards" {
  assert {
    condition     = aws_route53_record.certificate_authorities.type == "CAA" && aws_route53_record.certificate_authorities.records == toset(["0 issue \"letsencrypt.org\"", "0 issuewild \";\""])
    error_message = "the CAA records"
  }
}

run "refused_requests_are_reported" {
  variables {
    reports_to = "mailto:security@example.org"
  }

  assert {
    condition     = contains(aws_route53_record.certificate_authorities.records, "0 iodef \"mailto:security@example.org\"")
    error_message = "an iodef record"
  }
}
