#!/bin/sh
# go-zookeeper's own test suite against the embedded server.
#
#   go-zookeeper.sh LOCKFORM [go test flags]
#
# LOCKFORM is the binary whose "dev" serves. The module is the one of this
# project's go.mod; its tests are copied and run unchanged. What they start as
# zkServer.sh is LOCKFORM here. Those that need an ensemble are left out; the
# flags come after -race, so that "-run Create -v" is possible.
set -eu
lockform=$(realpath "$1"); shift
here=$(cd "$(dirname "$0")" && pwd)
dir=$(cd "$here" && go list -m -f '{{.Dir}}' github.com/go-zookeeper/zk)
[ -n "$dir" ] || { echo "go-zookeeper.sh: run \"go mod download\" first" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
cp -r "$dir" "$work/zk"
chmod -R u+w "$work/zk"

# The suite passes the super user as a flag of the Java machine.
cat >"$work/bin/zkServer.sh" <<S
#!/bin/sh
# zkServer.sh start-foreground CONFIG
super=\$(printf '%s\n' \$SERVER_JVMFLAGS | sed -n 's/^-Dzookeeper\.\(DigestAuthenticationProvider.superDigest=\)/\1/p')
{ cat "\$2"; echo "\$super"; } >"\$2.dev"
exec "$lockform" dev -config="\$2.dev"
S
chmod +x "$work/bin/zkServer.sh"
cd "$work/zk"
ZOOKEEPER_BIN_PATH="$work/bin" exec go test -race -count=1 -timeout=10m -skip 'BasicCluster|Failover|NoQuorum|DNSHostProviderReconnect' "$@" .
