#!/bin/sh
# Behaves as the entrypoint of the official docker:dind: without arguments, or with arguments that start with a dash, it
# runs dockerd; with TLS on 2376 where DOCKER_TLS_CERTDIR is set, else on 2375 without; anything else is run as it is.
set -eu

# tls_pair FOLDER NAME USE [SUBJECT-ALTERNATIVE-NAMES]: a key and a certificate signed by the CA
tls_pair() {
  folder=$1
  [ -s "$folder/key.pem" ] || openssl genrsa -out "$folder/key.pem" 2048 2>/dev/null
  openssl req -new -key "$folder/key.pem" -subj "/CN=docker:dind $2" -out "$folder/csr.pem"
  { echo "extendedKeyUsage = $3"; [ -z "${4:-}" ] || echo "subjectAltName = $4"; } >"$folder/openssl.cnf"
  openssl x509 -req -in "$folder/csr.pem" -CA "$DOCKER_TLS_CERTDIR/ca/cert.pem" -CAkey "$DOCKER_TLS_CERTDIR/ca/key.pem" \
    -CAcreateserial -days 825 -extfile "$folder/openssl.cnf" -out "$folder/cert.pem" 2>/dev/null
  cp "$DOCKER_TLS_CERTDIR/ca/cert.pem" "$folder/ca.pem"
}

names() {
  printf 'DNS:docker,DNS:localhost,DNS:%s,IP:127.0.0.1' "$(hostname)"
  for address in $(hostname -I 2>/dev/null); do printf ',IP:%s' "$address"; done
  [ -z "${DOCKER_TLS_SAN:-}" ] || printf ',%s' "$DOCKER_TLS_SAN"
}

make_certificates() {
  mkdir -p "$DOCKER_TLS_CERTDIR/ca" "$DOCKER_TLS_CERTDIR/server" "$DOCKER_TLS_CERTDIR/client"
  if [ ! -s "$DOCKER_TLS_CERTDIR/ca/cert.pem" ]; then
    openssl genrsa -out "$DOCKER_TLS_CERTDIR/ca/key.pem" 2048 2>/dev/null
    openssl req -x509 -new -key "$DOCKER_TLS_CERTDIR/ca/key.pem" -subj '/CN=docker:dind CA' -days 825 \
      -out "$DOCKER_TLS_CERTDIR/ca/cert.pem"
  fi
  tls_pair "$DOCKER_TLS_CERTDIR/server" server serverAuth "$(names)"
  tls_pair "$DOCKER_TLS_CERTDIR/client" client clientAuth
}

if [ $# -eq 0 ] || [ "${1#-}" != "$1" ]; then
  if [ -n "${DOCKER_TLS_CERTDIR:-}" ]; then
    make_certificates
    server=$DOCKER_TLS_CERTDIR/server
    set -- dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2376 --tlsverify \
      --tlscacert "$server/ca.pem" --tlscert "$server/cert.pem" --tlskey "$server/key.pem" "$@"
  else
    set -- dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2375 --tls=false "$@"
  fi
fi

if [ "$1" = dockerd ]; then
  # Debian's runc 1.1 knows no time namespaces.
  set -- "$@" --feature time-namespaces=false
  # A daemon that was killed leaves these behind, and would not start again.
  find /run /var/run -iname 'docker*.pid' -delete 2>/dev/null || :
  # cgroup v2: processes in the root group forbid groups with controllers below it.
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p /sys/fs/cgroup/init
    xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || :
    sed -e 's/ / +/g' -e 's/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control || :
  fi
  mount | grep -q ' on /tmp ' || mount -t tmpfs none /tmp 2>/dev/null || :
  set -- dumb-init -- "$@"
fi

exec "$@"
