#!/bin/sh
# Runs from the checkout that the lab was brought up from, mounted at its own path.
mkdir -p /var/lib/pi-lab-gitlab
cd "$CHECKOUT" || exit 1
pki=/etc/pi-lab
exec "$NODE" --import tsx "$CHECKOUT/lab/gitlab/main.ts" --state-dir /var/lib/pi-lab-gitlab \
  --runners "$CHECKOUT/lab/runners.json" --registry gitlab.lab:5050 --registry-key $pki/registry-token.key \
  --tls-port 443 --tls-certificate $pki/gitlab.crt --tls-key $pki/gitlab.key
