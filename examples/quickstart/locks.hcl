# Everyone may look at the namespace. The planner is always added with all
# permissions, so nobody else can change it.
acl "readable" {
  grant "world" {
    permissions = ["read"]
  }
}

# What a program needs on a lock that it takes: create its contender, read the
# queue, delete its contender.
acl "billing" {
  grant "digest" {
    username    = "billing"
    password    = var.billing_password
    permissions = ["create", "read", "delete"]
  }
}

# How the locks below are taken. Attributes that are not written have defaults.
policy "batch" {
  wait_timeout = "2m"
  max_hold     = "1h"
  kill_timeout = "3s"
}

# The locks of one team.
namespace "billing" {
  path   = "/locks/billing"
  acl    = acl.readable
  policy = policy.batch

  # One holder at a time: the nightly report must not run twice.
  lock "report" {
    acl = acl.billing
  }

  # Many readers or one writer.
  lock "ledger" {
    acl  = acl.billing
    mode = "read_write"
  }
}
