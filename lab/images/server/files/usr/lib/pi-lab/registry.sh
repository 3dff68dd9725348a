#!/bin/sh
mkdir -p /var/lib/pi-lab/registry
exec /usr/bin/docker-registry serve /etc/pi-lab-registry/config.yml
