#!/usr/bin/env bash
# A sweep on a HyperQueue that is running (`hq server start`, workers by `hq worker start` or `hq alloc add`):
# hyperqueue.sh SHARDS SCENARIO --vary …, the rest as for `writepath sweep` without --out and --shard. Then the shards
# are merged into the folder RESULT.
#
#   ./hyperqueue.sh 64 article --vary redis.appendfsync=no,everysec,always --replications 10
#
# HyperQueue itself repeats the tasks of a worker that is lost; they go on where they were.
# WRITEPATH is the program if it is not on the PATH, PARTS the folder of the part files, RESULT that of the result.

set -euo pipefail
if (($# < 2)); then
    echo "usage: hyperqueue.sh SHARDS SCENARIO --vary KEY=VALUES …" >&2
    exit 2
fi
shards=$1
shift
writepath=${WRITEPATH:-writepath} parts=${PARTS:-parts}

hq submit --name sweep --array "1-$shards" --cpus 1 --wait -- \
    "$writepath" sweep "$@" --out "$parts" --shard "auto/$shards" --resume --jobs 1 --no-progress
"$writepath" merge "$parts" --out "${RESULT:-result}"
