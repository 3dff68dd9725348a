#!/bin/sh
# Runs from the checkout that the lab was brought up from, mounted at its own path.
mkdir -p /var/lib/pi-lab-gitlab
cd "$CHECKOUT" || exit 1
exec "$NODE" --import tsx "$CHECKOUT/lab/gitlab/main.ts" --state-dir /var/lib/pi-lab-gitlab \
  --runners "$CHECKOUT/lab/runners.json"
