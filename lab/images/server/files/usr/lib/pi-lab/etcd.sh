#!/bin/sh
exec /usr/bin/etcd --name=lab --data-dir=/var/lib/pi-lab/etcd --quota-backend-bytes=1073741824 \
  --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
  --listen-peer-urls=http://127.0.0.1:2380 --auto-compaction-retention=1 --log-level=warn --logger=zap
