#!/bin/sh
exec "$KUBERNETES/kube-scheduler" --kubeconfig=/etc/pi-lab/scheduler.kubeconfig --leader-elect=false --bind-address=127.0.0.1
