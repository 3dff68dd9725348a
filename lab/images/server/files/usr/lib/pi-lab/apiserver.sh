#!/bin/sh
pki=/etc/pi-lab
exec "$KUBERNETES/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
  --secure-port=6443 --advertise-address="$SERVER_ADDRESS" --service-cluster-ip-range=10.96.0.0/16 \
  --tls-cert-file=$pki/apiserver.crt --tls-private-key-file=$pki/apiserver.key --client-ca-file=$pki/ca.crt \
  --service-account-issuer=https://kubernetes.default.svc \
  --service-account-key-file=$pki/service-accounts.pub --service-account-signing-key-file=$pki/service-accounts.key \
  --kubelet-client-certificate=$pki/kubelet-client.crt --kubelet-client-key=$pki/kubelet-client.key \
  --kubelet-preferred-address-types=InternalIP --authorization-mode=Node,RBAC \
  --enable-admission-plugins=NodeRestriction --allow-privileged=true --profiling=false
