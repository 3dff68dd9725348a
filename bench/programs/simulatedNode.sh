#!/bin/sh
# Stand-in for a node, as sshd's forced command: connections, logins and transfers are real, the work on the node is not.
case "$SSH_ORIGINAL_COMMAND" in
"exec sh -c 'IFS= read -r start "*) # RegistryTrust: takes all of its input, reports as a node does
  cat >/dev/null
  cat "$BENCH_SIMULATED/report.json"
  ;;
*sftp-server* | internal-sftp) exec "$BENCH_SFTP" ;;
"/bin/sh -c "*) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND" ;; # Ansible: its python is a stand-in too
*) exit 126 ;;
esac
