# The locks of a company's teams: some 200 of them, declared once for every
# environment. What differs between environments stands in their variable files:
#
#   lockform -chdir=examples/teams plan -var-file=stage.vars.hcl
#   lockform -chdir=examples/teams plan -var-file=prod.vars.hcl

layout "teams" {
  required_version = ">= 0.1"
  acl              = acl.planners
}

ensemble "main" {
  servers         = var.servers
  session_timeout = "15s"
  tick_time       = "2s"
  auth "digest" {
    username = "planner"
    password = var.planner_password
  }
}

acl "planners" {
  grant "digest" {
    username    = "planner"
    password    = var.planner_password
    permissions = ["all"]
  }
  grant "world" { permissions = ["read"] }
}

# One identity for each team's hosts. They may queue and leave the queue, not
# change a lock or its policy.
acl "team" {
  for_each = var.teams
  grant "digest" {
    id          = each.value.identity
    permissions = ["create", "read", "delete"]
  }
  grant "world" { permissions = ["read"] }
}

# What every host of the company has besides its team's identity.
acl "fleet" {
  grant "digest" {
    id          = var.fleet
    permissions = ["create", "read", "delete"]
  }
  grant "world" { permissions = ["read"] }
}
