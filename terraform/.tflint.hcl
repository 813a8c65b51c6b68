plugin "terraform" {
  enabled = true
  preset  = "all"
}

# A description that repeats the name says nothing.
rule "terraform_documented_variables" {
  enabled = false
}

rule "terraform_documented_outputs" {
  enabled = false
}

# Files are named after what is in them, and an environment is one generated file.
rule "terraform_standard_module_structure" {
  enabled = false
}
