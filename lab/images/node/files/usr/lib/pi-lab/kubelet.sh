#!/bin/sh
set -eu
mkdir -p /etc/cni/net.d
cp /etc/pi-lab/kubelet/cni.conflist /etc/cni/net.d/10-lab.conflist
exec "$KUBERNETES/kubelet" --kubeconfig=/etc/pi-lab/kubelet/kubeconfig --config=/etc/pi-lab/kubelet/config.yaml \
  --hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS" --v=1
