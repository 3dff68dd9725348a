#!/bin/sh
# registry.sh FACE: one of the registry's faces, all of which have the same images
mkdir -p /var/lib/pi-lab/registry
exec /usr/bin/docker-registry serve "/etc/pi-lab-registry/$1.yml"
