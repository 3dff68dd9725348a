# Prints what makes the credentials of a job's CI/CD variables usable:
#   credentials="$(sh ci/credentials.sh)" || exit 1; eval "$credentials"
# Nothing secret is printed, or stays on a host that other jobs share. docs/merge-requests.md
set -eu
umask 077

refuse() {
  echo "$1" >&2
  exit 1
}

quoted() {
  printf "'"
  printf %s "$1" | sed "s/'/'\\\\''/g"
  printf "'"
}

# What is to be undone when the job ends, or at once where this script fails.
cleanup=:
trap '[ $? = 0 ] || eval "$cleanup"' EXIT

# A plain variable's own text would be taken for the name of a file, and come into the log by the complaint that there is none.
for name in PI_RUNNERS_SSH_KEY PI_RUNNERS_KNOWN_HOSTS; do
  eval "file=\${$name:-}"
  [ -z "$file" ] || { [ -f "$file" ] && [ -r "$file" ]; } ||
    refuse "$name names no file that can be read: make it a variable of type file."
done
case "${KUBECONFIG:-}" in # which may be a list of files, some of them missing
  *apiVersion* | '{'*) refuse "KUBECONFIG is no name of a file: make it a variable of type file." ;;
esac

# GitLab writes such files anew for each part of a job, and forgets to remove them where the job's time is up.
given="${CI_PROJECT_DIR:-/none}.tmp"
IFS=:
for file in ${KUBECONFIG:-}; do
  case "$file" in "$given"/*) cleanup="rm -f $(quoted "$file") || :; $cleanup" ;; esac
done
unset IFS

if [ -n "${CI_SHARED_ENVIRONMENT:-}" ]; then # which GitLab sets for the shell executor
  # What was compiled is kept among temporary files, and taken from there again: not where another user could put it.
  temporary="${HOME:?is where jobs keep their temporary files}/.cache/pi-runners/tmp"
  mkdir -p "$temporary"
  echo "export TMPDIR=$(quoted "$temporary")"
  # Pulumi keeps the token of Pulumi Cloud: not where later jobs would find it. What a killed job left, the next one removes.
  folder="$given/pi-runners-pulumi"
  rm -rf "$folder"
  if [ -n "${PULUMI_ACCESS_TOKEN:-}" ]; then
    cleanup="rm -rf $(quoted "$folder") || :; $cleanup"
    mkdir -p "$folder"
    echo "export PULUMI_CREDENTIALS_PATH=$(quoted "$folder")"
  fi
fi

# An agent keeps the key out of Pulumi's state, so that previews with another key than the deployment's show no change.
if [ -n "${PI_RUNNERS_SSH_KEY:-}" ]; then
  if [ -z "${SSH_AUTH_SOCK:-}" ] || [ -n "${CI_SHARED_ENVIRONMENT:-}" ]; then
    agent="$(ssh-agent -s)"
    eval "$agent" >/dev/null
    cleanup="kill $SSH_AGENT_PID || :; $cleanup"
    echo "export SSH_AUTH_SOCK=$(quoted "$SSH_AUTH_SOCK")"
  fi
  # A job that is killed ends no agent, so that one forgets the key when the job's time (seconds) would be up, or after a day.
  case "${CI_JOB_TIMEOUT:-}" in '' | 0* | *[!0-9]* | ?????????*) seconds=86400 ;; *) seconds="$CI_JOB_TIMEOUT" ;; esac
  # GitLab's file variables may have the line ends of Windows, or lack the last one: such a key is not taken.
  { tr -d '\r' <"$PI_RUNNERS_SSH_KEY"; echo; } | ssh-add -q -t "$seconds" - >&2 ||
    refuse "PI_RUNNERS_SSH_KEY holds no private key that can be used: give one key, without a passphrase."
  case "$PI_RUNNERS_SSH_KEY" in "$given"/*) rm -f "$PI_RUNNERS_SSH_KEY" || : ;; esac
fi

# A shell that is not bash ends by SIGTERM without its trap for the end.
[ "$cleanup" = : ] || printf "pi_runners_end() { %s; }\ntrap pi_runners_end EXIT\ntrap 'exit 143' TERM\n" "$cleanup"
