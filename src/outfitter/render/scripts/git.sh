# Checks out a Git repository in an empty volume. Needs git, and ssh for repositories over ssh.

export GIT_TERMINAL_PROMPT=0
program=git
noise='^$|^(warning|hint|remote):'
marker=$target/.git/outfitter
unknown="couldn't find remote ref|not our ref|unadvertised object|did not match any|bad revision|unknown revision"

shortened() { cat; }

causes() {
  judge no-space 'no space left|disk quota exceeded'
  judge host-key-changed 'remote host identification has changed|host key .* has changed'
  judge host-key-unknown 'host key is known for|host key verification failed'
  judge authentication 'authentication failed|could not read (username|password)|permission denied \(|invalid (username|credentials)|returned error: 401|load key |invalid format|error in libcrypto|too many authentication failures'
  judge forbidden 'returned error: 403|access denied|not granted|not authorized'
  judge not-found 'repository .*not found|not appear to be a git repository|returned error: 404|does not exist'
  judge revision-not-found "$unknown"
  judge certificate 'certificate (problem|verification|subject)'
  judge unreachable 'could not resolve|connection (refused|timed out|reset|closed)|failed to connect|no route to host|network is unreachable|returned error: 5|timed out|unable to access|hung up|early eof'
}

# A program of the workload may have changed files since: after a restart of its node the pod starts here again. It may
# have put links here, so nothing of the volume but a commit gets into the message.
if [ -f "$marker" ] && [ ! -L "$marker" ] && [ ! -L "$target/.git" ]; then
  kept=$(head -c 80 -- "$marker" | grep -x -E -e 'commit [0-9a-f]{40,64}' | head -n 1)
  if [ -n "$kept" ]; then
    printf '%s\n' "$kept" >"$OUTFITTER_MESSAGE"
    exit 0
  fi
fi
rm -rf -- "$target"/* "$target"/.[!.]* "$target"/..?*
cd -- "$target"

# The volume belongs to root, whatever the user is.
export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_KEY_1=advice.detachedHead GIT_CONFIG_VALUE_1=false
export GIT_CONFIG_KEY_2=credential.helper GIT_CONFIG_VALUE_2=

case $OUTFITTER_LOGIN in
password)
  # Git asks for the login of this host alone: no redirect and no submodule of another host gets it.
  scheme=${OUTFITTER_REPOSITORY%%://*} host=${OUTFITTER_REPOSITORY#*://}
  export GIT_CONFIG_COUNT=4 GIT_CONFIG_KEY_3="credential.$scheme://${host%%/*}.helper"
  export GIT_CONFIG_VALUE_3='!login() {
    if [ "$1" = get ]; then
      printf "username=%s\npassword=%s\n" "$(tr -d "\r\n" <"$OUTFITTER_CREDENTIAL/user")" \
        "$(tr -d "\r\n" <"$OUTFITTER_CREDENTIAL/password")"
    fi
  }; login'
  ;;
ssh-key)
  # OpenSSH takes no key that others can read, none with the line ends of Windows, and none without a last line end.
  (umask 077 && tr -d '\r' <"$OUTFITTER_CREDENTIAL/ssh" >"$OUTFITTER_WORK/key" && echo >>"$OUTFITTER_WORK/key")
  if [ -s "$OUTFITTER_CREDENTIAL/known_hosts" ]; then
    tr -d '\r' <"$OUTFITTER_CREDENTIAL/known_hosts" >"$OUTFITTER_WORK/known_hosts"
  elif [ -n "$OUTFITTER_KNOWN_HOSTS" ]; then
    printf '%s\n' "$OUTFITTER_KNOWN_HOSTS" >"$OUTFITTER_WORK/known_hosts"
  else
    fail 'host-key-unknown no host keys are given'
  fi
  options="-o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=yes"
  options="$options -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=30 -o ServerAliveInterval=15"
  export GIT_SSH_VARIANT=ssh
  export GIT_SSH_COMMAND="ssh -F /dev/null -i '$OUTFITTER_WORK/key' -o 'UserKnownHostsFile=$OUTFITTER_WORK/known_hosts' $options"
  ;;
esac

wanted=${OUTFITTER_REVISION:-${OUTFITTER_BRANCH:-HEAD}}
try init -q || explain $?
try remote add -- origin "$OUTFITTER_REPOSITORY" || explain $?
status=0
patient fetch -q --no-tags --depth 1 -- origin "$wanted" || status=$?
commit=FETCH_HEAD
name=
if [ "$status" != 0 ]; then
  hash=no
  case $wanted in *[!0-9a-fA-F]*) ;; *) [ "${#wanted}" -lt 4 ] || hash=yes ;; esac
  # Servers look up no abbreviated hash, some send no single commit, and some send no part of a history.
  if { [ $hash = yes ] && grep -q -i -E -e "$unknown" "$log"; } || grep -q -i -E -e 'dumb http|shallow' "$log"; then
    try fetch -q --tags -- origin '+refs/heads/*:refs/remotes/origin/*' || explain $?
    for commit in "refs/remotes/origin/$wanted" "refs/tags/$wanted" "$wanted" FETCH_HEAD; do
      if git rev-parse -q --verify "$commit^{commit}" >/dev/null 2>&1; then break; fi
    done
    if [ "$commit" = FETCH_HEAD ] && [ "$wanted" != HEAD ]; then fail "revision-not-found no commit $wanted"; fi
    if [ "$commit" = "refs/remotes/origin/$wanted" ]; then name=$wanted; fi
  else
    explain "$status"
  fi
elif [ "$wanted" = HEAD ]; then
  name=$(try ls-remote --symref -- origin HEAD | sed -n 's#^ref: refs/heads/\([^[:space:]]*\).*#\1#p')
else
  name=$(sed -n "1s/^.*[[:space:]]branch '\(.*\)' of .*/\1/p" "$target/.git/FETCH_HEAD")
fi
if [ -n "$name" ]; then
  try update-ref "refs/remotes/origin/$name" "$commit" || explain $?
  try checkout -q -B "$name" --track "origin/$name" || explain $?
else
  try checkout -q --detach "$commit" || explain $?
fi
if [ "$OUTFITTER_SUBMODULES" = true ]; then
  try submodule --quiet update --init --recursive --depth 1 \
    || try submodule --quiet update --init --recursive || explain $?
fi

used=$(used_kib)
if [ "$((used * 1024))" -gt "$OUTFITTER_SIZE_LIMIT" ]; then
  fail "no-space the checkout takes $used KiB of $((OUTFITTER_SIZE_LIMIT / 1024)) KiB"
fi
commit=$(git rev-parse HEAD)
rm -f -- "$marker"
printf 'commit %s\n' "$commit" >"$marker"
printf 'commit %s\n' "$commit" >"$OUTFITTER_MESSAGE"
