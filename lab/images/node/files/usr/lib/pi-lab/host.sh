#!/bin/sh
# Run once at boot, before any container engine.
set -eu

# Mounts that containers make must be seen by the kubelet.
mount --make-rshared /

# The engine that runs this container wrote a resolver that works in this network namespace only; containers of this host
# would ask it in vain and wait. Nobody answers at this address, and says so at once: names come from /etc/hosts.
printf 'nameserver 172.30.99.2\noptions timeout:1 attempts:1\n' >/etc/resolv.conf

# Docker forbids forwarding when it is the one who turns it on, and pods lose their network.
sysctl -q -w net.ipv4.ip_forward=1 || echo 1 >/proc/sys/net/ipv4/ip_forward

# The kernel's log, where the container engine does not offer it.
[ -e /dev/kmsg ] || ln -s /dev/console /dev/kmsg
