# A layout on an ensemble of three servers; README.md beside it starts them.

layout "ensemble" {}

ensemble "main" {
  servers         = ["127.0.0.1:2181", "127.0.0.1:2182", "127.0.0.1:2183"]
  session_timeout = "10s"
  connect_timeout = "3s"
  tick_time       = "2s" # tickTime of zoo.cfg: the lease's margin depends on it
  auth "digest" {
    username = "planner"
    password = var.planner_password
  }
}

variable "planner_password" {
  type      = string
  sensitive = true
}

acl "hosts" {
  grant "digest" {
    id          = "hosts:2uhcW9RGoo7VRO0/luLX8zb/lPM="
    permissions = ["create", "read", "delete"]
  }
  grant "world" { permissions = ["read"] }
}

acl "readable" {
  grant "world" { permissions = ["read"] }
}

namespace "leaders" {
  path = "/leaders"
  acl  = acl.readable

  lock "scheduler" {
    acl             = acl.hosts
    session_timeout = "6s" # a new leader within about 6s of the old one's death
  }
}
