#!/usr/bin/env bash
# Makes test calls to the deployment at $URL, and checks that it runs the version in the given folder.
# $ROTUNDA_API_KEY is in the environment, where no log shows it.
set -euo pipefail

doctor="$1/rotunda-x86_64"
expected="version $(jq --raw-output .version "$1/manifest.json")"
chmod +x "$doctor"
for round in 1 2 3; do
  # The doctor exits with 1 where a hop fails, and says which.
  report=$("$doctor" doctor "$URL" --json) || { jq . <<<"$report"; exit 1; }
  said=$(jq --raw-output '.hops[0].note' <<<"$report")
  if [ "$said" != "$expected" ]; then
    echo "$URL runs $said, not $expected" >&2
    exit 1
  fi
  echo "call $round: every hop is well, $said"
done
