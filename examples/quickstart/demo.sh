#!/bin/sh
# demo.sh BIN: plan, apply and two agents that contend for one lock, with the
# binaries in the directory BIN, on lockform's embedded ZooKeeper. It asks
# nothing, leaves nothing running, and fails when any of its steps does.
set -eu

bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
PATH=$bin:$PATH
export PATH
started=

finish() {
  code=$?
  trap - EXIT INT TERM
  for pid in $started; do kill "$pid" 2>/dev/null || :; done
  for pid in $started; do wait "$pid" 2>/dev/null || :; done
  rm -rf "$work"
  [ $code -eq 0 ] || echo "demo: a step failed (exit code $code)" >&2
  exit $code
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n# %s\n' "$*"; }
run() {
  echo "\$ $*"
  "$@"
}
# until_true COMMAND…: waits at most 20 seconds for the command to succeed.
until_true() {
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || { echo "demo: gave up waiting for: $*" >&2; return 1; }
    sleep 0.1
  done
}

mkdir "$work/quickstart"
cp "$here"/*.hcl "$work/quickstart"
cd "$work/quickstart"
ls ./*.hcl >/dev/null

say "An embedded ZooKeeper, on a free port of this machine"
echo '$ lockform dev -listen=127.0.0.1:0 &'
lockform dev -listen=127.0.0.1:0 >"$work/dev.out" 2>"$work/dev.err" &
started="$started $!"
until_true grep -q 'LOCKFORM_SERVERS=' "$work/dev.out"
LOCKFORM_SERVERS=$(sed -n 's/.*LOCKFORM_SERVERS=\([^ ]*\).*/\1/p' "$work/dev.out" | head -n 1)
export LOCKFORM_SERVERS
echo "it serves $LOCKFORM_SERVERS"
servers=-servers=$LOCKFORM_SERVERS

say "The layout in examples/quickstart is valid; this is what it would make"
run lockform validate
run lockform plan "$servers"

say "Make it: one transaction"
run lockform apply "$servers" -auto-approve

say "The live tree is the state: planning again finds nothing to do"
run lockform plan "$servers" -detailed-exitcode

say "Two agents want the lock of the nightly report; the second waits for the first"
export LOCKFORM_AUTH=digest:billing:billing-demo
export DEMO_GO="$work/go"
cat >"$work/report" <<'REPORT'
#!/bin/sh
# Works while the lock is held, until the demo says that it may end.
echo "  [$1] holds $LOCKFORM_PATH, fencing token $LOCKFORM_TOKEN"
while [ ! -e "$DEMO_GO" ]; do sleep 0.1; done
echo "  [$1] is done"
REPORT
chmod +x "$work/report"
cp "$work/report" ./report
echo '$ lockform-agent exec -owner=first  /locks/billing/report -- ./report first  &'
lockform-agent exec -owner=first /locks/billing/report -- ./report first >"$work/first" &
first=$!
started="$started $first"
until_true test -s "$work/first"
echo '$ lockform-agent exec -owner=second /locks/billing/report -- ./report second &'
lockform-agent exec -owner=second /locks/billing/report -- ./report second >"$work/second" &
second=$!
started="$started $second"
queued() { lockform locks "$servers" /locks/billing/report | grep second; }
until_true queued
run lockform locks "$servers"
[ ! -s "$work/second" ] || { echo "demo: the second agent did not wait" >&2; exit 1; }
: >"$DEMO_GO"
wait "$first"
cat "$work/first"
wait "$second"
cat "$work/second"
before=$(sed -n 's/.*token //p' "$work/first")
after=$(sed -n 's/.*token //p' "$work/second")
[ "$after" -gt "$before" ] || { echo "demo: the token did not rise" >&2; exit 1; }

say "Change the policy: everyone may wait for five minutes"
sed 's/wait_timeout = "2m"/wait_timeout = "5m"/' locks.hcl >"$work/changed"
mv "$work/changed" locks.hcl
grep -q '"5m"' locks.hcl
run lockform plan "$servers"
run lockform apply "$servers" -auto-approve

say "Take it all away again"
run lockform destroy "$servers" -auto-approve
