#!/bin/sh
set -eu
mkdir -p /etc/cni/net.d
cp /etc/pi-lab/kubelet/cni.conflist /etc/cni/net.d/10-lab.conflist

# In place of kube-proxy, which the lab does without: the one service that there is, the cluster's own API server.
for chain in PREROUTING OUTPUT; do
  rule="-d 10.96.0.1/32 -p tcp --dport 443 -j DNAT --to-destination 172.30.99.2:6443"
  # shellcheck disable=SC2086 # words of a rule
  iptables -w -t nat -C $chain $rule 2>/dev/null || iptables -w -t nat -A $chain $rule
done

exec "$KUBERNETES/kubelet" --kubeconfig=/etc/pi-lab/kubelet/kubeconfig --config=/etc/pi-lab/kubelet/config.yaml \
  --hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS" --v=1
