mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name   = "rotunda-test"
  region = "eu-central"
  edge   = "wss://rotunda.example.org"
  settings = {
    aws_region = "eu-central-1"
    media_node = { instance_type = "c7g.xlarge", shards = 4, hosts_min = 2, hosts_max = 6, settings = { MEDIA_LOG = "warn" }, traces = { collector = "https://traces.example.org", has_authorization = true } }
    turn_node  = { architecture = "x86_64", instance_type = "c7i.large", hosts_min = 2, hosts_max = 4, acme = { directory = "https://acme.example.org/directory" } }
  }
  programs = {
    "media-node/arm64" = { bucket = "b", bucket_arn = "arn:aws:s3:::b", bucket_region = "eu-central-1", key = "m", sha256 = "1", kms_key_arn = null }
    "turn-node/x86_64" = { bucket = "b", bucket_arn = "arn:aws:s3:::b", bucket_region = "eu-central-1", key = "t", sha256 = "2", kms_key_arn = null }
  }
  recording        = { bucket = "r", region = "eu-central-1", encryption = "AES256" }
  names            = { eu-central = { zone = "Z1", suffix = "eu-central.nodes.example.org" } }
  parameters       = "/rotunda/test"
  alarm_emails     = []
  alarm_thresholds = {}
  runbooks         = "https://example.org/operations.md"
}

run "media_and_turn_nodes_are_separate_groups_of_the_region" {
  assert {
    condition     = output.fleets == { media = "rotunda-test-eu-central-media", turn = "rotunda-test-eu-central-turn" }
    error_message = "two groups, which scale by themselves"
  }

  assert {
    condition     = output.host_configs.media.settings.MEDIA_REGION == "eu-central" && output.host_configs.turn.settings.TURN_REGION == "eu-central"
    error_message = "both know their region"
  }

  assert {
    condition     = output.host_configs.media.names.suffix == "eu-central.nodes.example.org"
    error_message = "and the names of its hosts"
  }
}

run "each_host_gets_the_program_of_its_kind_and_architecture" {
  assert {
    condition     = [output.host_configs.media.program.key, output.host_configs.turn.program.key] == ["m", "t"]
    error_message = "media-node/arm64 and turn-node/x86_64"
  }
}

run "the_authority_of_the_map_reaches_the_turn_nodes" {
  assert {
    condition     = output.host_configs.turn.settings.TURN_ACME_DIRECTORY == "https://acme.example.org/directory"
    error_message = "from terraform.tfvars.json to the environment file"
  }
}

run "the_collector_of_the_map_reaches_the_media_nodes_with_its_secret" {
  assert {
    condition     = output.host_configs.media.settings.MEDIA_OTLP == "https://traces.example.org" && output.host_configs.media.secrets.MEDIA_OTLP_AUTHORIZATION == "/rotunda/test/otlp-authorization"
    error_message = "from terraform.tfvars.json to the host, which reads the secret itself"
  }
}

run "settings_of_the_map_reach_the_node" {
  assert {
    condition     = output.host_configs.media.settings.MEDIA_LOG == "warn" && output.host_configs.media.settings.MEDIA_SHARDS == "4"
    error_message = "from terraform.tfvars.json to the environment file"
  }
}
