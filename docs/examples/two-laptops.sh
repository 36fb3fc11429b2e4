#!/bin/sh
# Embeds a collection on two computers of one network that share a folder.
#
#   On the first:   sh two-laptops.sh first /Volumes/museum/scans /Volumes/museum/indexes/scans
#   On the second:  sh two-laptops.sh second ADDRESS     (the "local node IP" that the first shows)
#   At the end:     ray stop                             (on both)
#
# The folder is mounted at the same path on both, and both have the same version of artsim[ray].
set -eu

export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=1 # Ray refuses clusters of Macs without it

case "$1" in
first)
    ray start --head --port=6379
    echo "now run on the second computer: sh two-laptops.sh second ADDRESS, then press Enter"
    read -r _
    # A worker has a part at a time: small ones give all processors something to do.
    artsim embed "$2" -o "$3" --engine ray:auto --part-rows 128
    ;;
second)
    ray start --address="$2:6379" --block
    ;;
*)
    echo "two-laptops.sh: first or second, not '$1'" >&2
    exit 1
    ;;
esac
