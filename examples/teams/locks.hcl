# A job that runs on many hosts' timers and must run on one.
policy "job" {
  wait_timeout = "0s"
  on_lost      = "terminate"
  kill_timeout = "3s"
}

# A batch that waits for its turn, and must not hold up the next for ever.
policy "batch" {
  wait_timeout = "30m"
  max_waiters  = 20
  max_hold     = "4h"
}

locals {
  protected = var.env == "prod"
}

namespace "team" {
  for_each = var.teams
  path     = "/locks/${each.key}"
  acl      = acl.planners

  lifecycle {
    prevent_destroy = local.protected
  }

  # /locks/<team>/deploy: one roll-out at a time.
  lock "deploy" {
    acl          = acl.team[each.key]
    wait_timeout = "10m"
    max_waiters  = 5
  }

  # /locks/<team>/schema: migrations write, services read while they start.
  lock "schema" {
    acl    = acl.team[each.key]
    policy = policy.batch
    mode   = "read_write"
  }

  # /locks/<team>/jobs/<job>: the nightly jobs.
  namespace "jobs" {
    path   = "jobs"
    policy = policy.job

    lock "job" {
      for_each = toset(each.value.jobs)
      path     = each.key
      acl      = acl.team[each.parent.key]
      max_hold = each.parent.value.windows
    }
  }

  # /locks/<team>/shards/00 …: one worker for each shard.
  namespace "shards" {
    path   = "shards"
    policy = policy.batch

    lock "shard" {
      for_each = toset([for i in range(each.value.shards) : format("%02d", i)])
      path     = each.key
      acl      = acl.team[each.parent.key]
    }
  }
}

# What all teams share: at most three heavy reports at a time, and a leader for
# the scheduler.
namespace "shared" {
  path = "/locks/shared"
  acl  = acl.planners

  lifecycle {
    prevent_destroy = local.protected
  }

  lock "reports" {
    acl     = acl.fleet
    mode    = "semaphore"
    permits = var.env == "prod" ? 3 : 1
  }
  lock "scheduler" {
    acl             = acl.fleet
    session_timeout = "10s"
  }
}
