# Prints what makes the credentials of a job's CI/CD variables usable:
#   credentials="$(sh ci/credentials.sh)" || exit 1; eval "$credentials"
# Nothing secret is printed, or stays on a host that other jobs share. docs/merge-requests.md
set -eu
umask 077

# What is to be undone when the job ends, or at once where this script fails.
cleanup=:
trap '[ $? = 0 ] || eval "$cleanup"' EXIT

# Pulumi keeps the token of Pulumi Cloud: not where later jobs would find it. (GitLab sets the first one for the shell executor.)
if [ -n "${CI_SHARED_ENVIRONMENT:-}" ] && [ -n "${PULUMI_ACCESS_TOKEN:-}" ]; then
  folder="$(mktemp -d)"
  cleanup="rm -rf '$folder' || :"
  echo "export PULUMI_CREDENTIALS_PATH='$folder'"
fi

# An agent keeps the key out of Pulumi's state, so that previews with another key than the deployment's show no change.
if [ -n "${PI_RUNNERS_SSH_KEY:-}" ]; then
  if [ -z "${SSH_AUTH_SOCK:-}" ] || [ -n "${CI_SHARED_ENVIRONMENT:-}" ]; then
    eval "$(ssh-agent -s)" >/dev/null
    cleanup="kill $SSH_AGENT_PID || :; $cleanup"
    echo "export SSH_AUTH_SOCK='$SSH_AUTH_SOCK'"
  fi
  # GitLab's file variables may lack the last line end, without which the key is not taken. A job that is killed ends no agent,
  # so that one forgets the key after a day.
  { cat "$PI_RUNNERS_SSH_KEY"; echo; } | ssh-add -q -t 86400 - >&2
fi

# The program reads this one itself.
if [ -n "${PI_RUNNERS_KNOWN_HOSTS:-}" ] && [ ! -r "$PI_RUNNERS_KNOWN_HOSTS" ]; then
  echo "PI_RUNNERS_KNOWN_HOSTS names no file that can be read: make it a variable of type file." >&2
  exit 1
fi
[ "$cleanup" = : ] || printf 'trap "%s" EXIT\n' "$cleanup"
