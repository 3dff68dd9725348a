# Prints what makes the credentials of a job's CI/CD variables usable:
#   credentials="$(sh ci/credentials.sh)" || exit 1; eval "$credentials"
# Nothing secret is printed, and nothing is written outside of the job's own home folder and a temporary one.
# docs/merge-requests.md
set -eu
umask 077

# What is to be undone when the job ends, or at once where this script fails.
cleanup=:
trap 'eval "$cleanup"' EXIT

# On a host (GitLab says so of the shell executor) the home folder is that of all jobs, and one's host keys would be in another's
# way. Pulumi's plugins stay where they are; what it remembers of logins does not.
if [ -n "${CI_SHARED_ENVIRONMENT:-}" ]; then
  echo "export PULUMI_HOME='${PULUMI_HOME:-$HOME/.pulumi}'"
  HOME="$(mktemp -d)"
  cleanup="rm -rf '$HOME'"
  echo "export HOME='$HOME' PULUMI_CREDENTIALS_PATH='$HOME/.pulumi'"
fi

# An agent keeps the key out of Pulumi's state, so that previews with another key than the deployment's show no change.
if [ -n "${PI_RUNNERS_SSH_KEY:-}" ]; then
  if [ -z "${SSH_AUTH_SOCK:-}" ]; then
    eval "$(ssh-agent -s)" >/dev/null
    cleanup="kill $SSH_AGENT_PID; $cleanup"
    echo "export SSH_AUTH_SOCK='$SSH_AUTH_SOCK'"
  fi
  # GitLab's file variables may lack the last line end, without which the key is not taken. A job that is killed ends no agent,
  # so the key is forgotten after a day.
  { cat "$PI_RUNNERS_SSH_KEY"; echo; } | ssh-add -q -t 86400 - >&2
fi
if [ -n "${PI_RUNNERS_KNOWN_HOSTS:-}" ]; then
  mkdir -p "$HOME/.ssh"
  cp "$PI_RUNNERS_KNOWN_HOSTS" "$HOME/.ssh/known_hosts"
fi
[ "$cleanup" = : ] || printf 'trap "%s" EXIT\n' "$cleanup"
cleanup=:
