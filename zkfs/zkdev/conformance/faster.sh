#!/bin/sh
# Compares the embedded server with a real one in memory: creates, reads and
# lock cycles per second of many clients, one after the other in the same run.
# It fails when the embedded server is the slower one in any of them.
#
#   faster.sh [go test flags, such as -benchtime=10s]
set -eu
cd "$(dirname "$0")/.."
go test -run '^$' -bench '^Benchmark(Create|Get|Lock|Start)$' -benchtime=3s "$@" . | awk '
  { print }
  match($1, /server=(embedded|real)/) {
    kind = substr($1, RSTART + 7, RLENGTH - 7); name = substr($1, 1, RSTART - 2)
    for (i = 2; i < NF; i++) if ($(i + 1) == "ops/s") rate[name, kind] = $i
    names[name]
  }
  END {
    for (n in names) {
      seen = 1
      printf "%s: embedded / real = %.2f\n", n, rate[n, "embedded"] / rate[n, "real"]
      if (rate[n, "embedded"] < rate[n, "real"]) slower = 1
    }
    exit seen ? slower : 1
  }'
