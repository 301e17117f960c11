# The lock under which deposit.sh works. Its session timeout is short, so that
# a deposit that dies does not keep others waiting for long.
layout "guarded" {}

ensemble "main" {
  servers   = ["127.0.0.1:2181"]
  tick_time = "500ms"
}

lock "ledger" {
  path            = "/accounts/ledger"
  session_timeout = "4s"
}
