/**
 * Shell: a network inside a container carries no more than the container's own, or large packets vanish. Where daemon.json
 * says nothing, that is found out, and added to dockerd's arguments in `$@`; networks that jobs make get it from Docker 24 on.
 */
export const findMtu = [
  "mtu=$(cat /sys/class/net/eth0/mtu 2>/dev/null || echo 1500)",
  `if [ "$mtu" -lt 1500 ] && ! grep -q '"mtu"' /etc/docker/daemon.json 2>/dev/null; then`,
  '  set -- "$@" --mtu="$mtu"',
  "  case $(dockerd --help 2>/dev/null) in *--default-network-opt*)",
  '    set -- "$@" --default-network-opt="bridge=com.docker.network.driver.mtu=$mtu" ;;',
  "  esac",
  "fi",
];
