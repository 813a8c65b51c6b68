#!/usr/bin/env bash
# Waits until no auto-scaling group of this deployment replaces hosts any more; fails if a replacement failed.
# Reads the names from the environment's terraform.tfvars.json, which is the only argument.
set -euo pipefail

deadline=$((SECONDS + ${PATIENCE_S:-3600}))
name=$(jq --raw-output .name "$1")

# The newest refresh of each group of one region: its group and its status.
refreshes() {
  local group
  for group in $(aws autoscaling describe-auto-scaling-groups --region "$1" --output text \
    --query "AutoScalingGroups[?starts_with(AutoScalingGroupName, '$name-')].AutoScalingGroupName"); do
    aws autoscaling describe-instance-refreshes --region "$1" --auto-scaling-group-name "$group" --max-records 1 \
      --output text --query "InstanceRefreshes[].[AutoScalingGroupName, Status]"
  done
}

for region in $(jq --raw-output '.regions[].aws_region' "$1"); do
  while :; do
    state=$(refreshes "$region")
    echo "$region: $(echo "$state" | tr '\t\n' ' ,')"
    if grep --quiet --extended-regexp 'Failed|Cancelled|RollbackSuccessful|RollbackFailed' <<<"$state"; then
      exit 1
    fi
    if ! grep --quiet --extended-regexp 'Pending|InProgress|Baking|Cancelling|RollbackInProgress' <<<"$state"; then
      break
    fi
    if ((SECONDS > deadline)); then
      echo "still being replaced after $SECONDS s" >&2
      exit 1
    fi
    sleep "${EVERY_S:-15}"
  done
done
