#!/bin/sh
pki=/etc/pi-lab
exec "$KUBERNETES/kube-controller-manager" --kubeconfig=$pki/controllers.kubeconfig --leader-elect=false \
  --service-account-private-key-file=$pki/service-accounts.key --root-ca-file=$pki/ca.crt \
  --use-service-account-credentials=true --bind-address=127.0.0.1 \
  --node-monitor-period=2s --node-monitor-grace-period=20s
