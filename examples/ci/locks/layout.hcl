# A layout whose changes go through pull requests: the workflow beside it checks
# and plans them, and applies the saved plan when they are merged.

layout "shop" {}

variable "servers" {
  type        = list(string)
  description = "The ensemble, each server as host:port."
  default     = ["127.0.0.1:2181"]
}

variable "planner_password" {
  type        = string
  description = "The password of the digest user planner; CI has it as a secret."
  sensitive   = true
}

ensemble "main" {
  servers = var.servers
  auth "digest" {
    username = "planner"
    password = var.planner_password
  }
}

acl "shop" {
  grant "digest" {
    id          = "shop:nlQJ7KiGSF63EaRq2FcaQJPPjYU="
    permissions = ["create", "read", "delete"]
  }
  grant "world" { permissions = ["read"] }
}

acl "readable" {
  grant "world" { permissions = ["read"] }
}

namespace "shop" {
  path = "/locks/shop"
  acl  = acl.readable

  lock "checkout-deploy" {
    acl          = acl.shop
    wait_timeout = "15m"
  }
  lock "price-import" {
    acl          = acl.shop
    wait_timeout = "0s"
    max_hold     = "1h"
  }
}
