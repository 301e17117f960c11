# A layout is what one directory declares, and the unit of ownership: lockform
# never touches a znode that it did not make or adopt for this layout.
layout "quickstart" {
  required_version = ">= 0.1"
}

# Where it is applied. "lockform dev" serves a ZooKeeper for trying things out
# on this address; -servers names another.
ensemble "main" {
  servers = ["127.0.0.1:2181"]

  # Who the planner is. What lockform creates belongs to this identity.
  auth "digest" {
    username = "planner"
    password = var.planner_password
  }
}

# The values of the variables come from lockform.vars.hcl here. In earnest, set
# LOCKFORM_VAR_planner_password in the environment and keep no password in a file.
variable "planner_password" {
  type        = string
  description = "The password of the identity that owns the locks."
  sensitive   = true
}

variable "billing_password" {
  type        = string
  description = "The password with which the billing team's programs take their locks."
  sensitive   = true
}
