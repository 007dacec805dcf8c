#!/usr/bin/env bash
# A sweep with GNU parallel: parallel.sh SHARDS SCENARIO --vary …, the rest as for `writepath sweep` without --out and
# --shard. Then the shards are merged into the folder RESULT.
#
#   ./parallel.sh 16 article --vary redis.appendfsync=no,everysec,always --replications 10
#   PARALLEL='--sshlogin :,node1,node2 --wd .' ./parallel.sh 64 article --vary …
#
# One task a core at a time; a task that fails or is killed is tried twice more and goes on where it was. More machines:
# by --sshlogin as above, with the same folder and program on all of them. Ctrl-C, then the same command again, goes on.
# WRITEPATH is the program if it is not on the PATH, PARTS the folder of the part files, RESULT that of the result.

set -euo pipefail
if (($# < 2)); then
    echo "usage: parallel.sh SHARDS SCENARIO --vary KEY=VALUES …" >&2
    exit 2
fi
shards=$1
shift
writepath=${WRITEPATH:-writepath} parts=${PARTS:-parts}

# -q: values with spaces, quotes and braces reach the program as they are.
seq "$shards" | parallel -q -I SHARD_NUMBER --retries 3 --halt soon,fail=1 \
    "$writepath" sweep "$@" --out "$parts" --shard "SHARD_NUMBER/$shards" --resume --jobs 1 --no-progress
"$writepath" merge "$parts" --out "${RESULT:-result}"
