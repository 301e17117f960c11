#!/bin/sh
# deposit.sh URL AMOUNT: adds to a balance that guarded keeps. It reads, counts
# and writes, so it has to hold the lock meanwhile:
#
#   lockform-agent exec /accounts/ledger -- ./deposit.sh http://127.0.0.1:8080/ledger 10
#
# It sends the fencing token with every request, so that when it is paused for
# too long, and somebody else holds the lock by then, its write is refused.
set -eu
url=$1 amount=$2

# ask CURL-ARGUMENT…: prints the answer, or the reason why there is none.
ask() {
  curl --silent --show-error --fail-with-body --max-time 30 \
    --header "Lockform-Token: ${LOCKFORM_TOKEN:?run me under lockform-agent exec}" \
    --header "Lockform-Mode: $LOCKFORM_MODE" "$@"
}

if ! balance=$(ask "$url"); then
  case $balance in
  'no such key') balance=0 ;;
  *) echo "deposit: $balance" >&2; exit 1 ;;
  esac
fi

# The time in which anything may happen. DEPOSIT_WAIT names a file whose
# appearance ends it, for trying out what a long pause does.
while [ -n "${DEPOSIT_WAIT:-}" ] && [ ! -e "$DEPOSIT_WAIT" ]; do sleep 0.05; done

if ! answer=$(ask --request PUT --data-binary "$((balance + amount))" "$url"); then
  echo "deposit: $answer" >&2
  exit 1
fi
echo "$balance + $amount = $((balance + amount)), under token $LOCKFORM_TOKEN"
