# The locks that well-known tutorials and libraries make by hand, declared: each
# parent znode exists before the first client comes, with an ACL and a policy,
# and lockform-agent takes its turn among the clients that are already there.
#
#   lockform -chdir=examples/recipes plan -servers=127.0.0.1:2181

layout "recipes" {}

# Who may do what. Everyone here is the clients of these locks: they queue
# (create), look at the queue (read) and give up (delete). The planner's own
# identity is always added, with all permissions.
acl "clients" {
  grant "world" { permissions = ["create", "read", "delete"] }
}

variable "planner_password" {
  type        = string
  description = "The password of the user who may change these locks later."
  sensitive   = true
}

ensemble "main" {
  servers = ["127.0.0.1:2181"]
  auth "digest" {
    username = "planner"
    password = var.planner_password
  }
}

# Hand-written scripts, recipe "plain": whole names are sorted, no GUID.

lock "uk" { # children watched, contenders /uk/lock/lock_id_0000000000
  path   = "/uk/lock"
  acl    = acl.clients
  recipe = "plain"
  prefix = "lock_id_"
}

lock "seq" { # predecessor watched by get, contenders /lock/seq-0000000000
  path   = "/lock"
  acl    = acl.clients
  recipe = "plain"
  prefix = "seq-"
}

lock "write_lock" { # predecessor watched by exists, the host name as data
  path   = "/locks/write_lock"
  acl    = acl.clients
  recipe = "plain"
  prefix = "lockid"
}

# Python programs with kazoo.

namespace "kazoo" {
  path = "/kazoo"

  lock "report" { # kazoo.recipe.lock.Lock
    acl    = acl.clients
    recipe = "kazoo"
  }
  lock "catalog" { # kazoo.recipe.lock.ReadLock and WriteLock
    acl    = acl.clients
    recipe = "kazoo"
    mode   = "read_write"
  }
}

# Java programs with Curator, and Go programs with go-zookeeper's zk.Lock.

namespace "curator" {
  path = "/curator"

  lock "mutex" { # InterProcessMutex
    acl = acl.clients
  }
  lock "catalog" { # InterProcessReadWriteLock
    acl  = acl.clients
    mode = "read_write"
  }
}

# Python and Java programs on the same path. They do not exclude each other, no
# name serves both; the agent stands in all of their queues at once.

lock "migration" {
  path   = "/migration"
  acl    = acl.clients
  recipe = "bridge"
}
