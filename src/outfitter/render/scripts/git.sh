# Checks out a Git repository in an empty volume. All values are environment variables: none is part of this text.
# Needs sh, git, timeout, grep, sed, tr, cut, head and du; ssh for repositories over ssh.

umask "$OUTFITTER_UMASK"
export HOME="$OUTFITTER_WORK" TMPDIR="$OUTFITTER_WORK" LC_ALL=C GIT_TERMINAL_PROMPT=0
target=$OUTFITTER_TARGET
log=$OUTFITTER_WORK/log
marker=$target/.git/outfitter
deadline=$(($(date +%s) + OUTFITTER_SECONDS))
patience=$(($(date +%s) + OUTFITTER_PATIENCE))
child=
trap 'kill "$child" 2>/dev/null; exit 143' TERM

# Ends with a code and one line in which no URL has a login.
fail() {
  printf 'failed %s\n' "$1" | sed 's#://[^/ ]*@#://#g' | tr -cd '\012\040-\176' | cut -c 1-320 >"$OUTFITTER_MESSAGE"
  exit 1
}

# Ends `classify` with a code and the line that shows it, if the program has printed one.
judge() {
  if line=$(grep -i -m 1 -E -e "$2" "$log"); then
    printf '%s %s\n' "$1" "$line"
    exit
  fi
}
unknown="couldn't find remote ref|not our ref|unadvertised object|did not match any|bad revision|unknown revision"
classify() (
  case $1 in 124 | 137 | 143)
    echo "timeout not complete after $OUTFITTER_SECONDS seconds"
    exit
    ;;
  esac
  judge no-space 'no space left|disk quota exceeded'
  judge host-key-changed 'remote host identification has changed|host key .* has changed'
  judge host-key-unknown 'host key is known for|host key verification failed'
  judge authentication 'authentication failed|could not read (username|password)|permission denied \(|invalid (username|credentials)|returned error: 401|load key |invalid format|error in libcrypto|too many authentication failures'
  judge forbidden 'returned error: 403|access denied|not granted|not authorized'
  judge not-found 'repository .*not found|not appear to be a git repository|returned error: 404|does not exist'
  judge revision-not-found "$unknown"
  judge unreachable 'could not resolve|connection (refused|timed out|reset|closed)|failed to connect|no route to host|network is unreachable|certificate|returned error: 5|timed out|unable to access|hung up|early eof'
  printf 'other %s\n' "$(grep -v -i -E -e '^$|^(warning|hint|remote):' "$log" | head -n 1)"
)

explain() {
  fail "$(classify "$1")"
}

# Runs git with the time that is left. The trap ends it at once when the pod is deleted.
try() {
  left=$((deadline - $(date +%s)))
  status=0
  timeout "$((left > 1 ? left : 1))" git -C "$target" "$@" 2>"$log" &
  child=$!
  wait "$child" || status=$?
  cat "$log" >&2
  return "$status"
}

# The same, again and again for a while if the server cannot be reached: the pods of a Job are not started again.
patient() {
  until try "$@"; do
    case $(classify "$status") in unreachable*) ;; *) return "$status" ;; esac
    if [ "$(date +%s)" -ge "$patience" ]; then return "$status"; fi
    sleep 5
  done
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

# The volume belongs to root, whatever the user is.
export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_KEY_1=advice.detachedHead GIT_CONFIG_VALUE_1=false
export GIT_CONFIG_KEY_2=credential.helper GIT_CONFIG_VALUE_2=
if [ -n "$OUTFITTER_AUTHORITIES" ]; then
  for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem; do
    if [ -r "$file" ]; then cat "$file" && break; fi
  done >"$OUTFITTER_WORK/authorities"
  printf '%s\n' "$OUTFITTER_AUTHORITIES" >>"$OUTFITTER_WORK/authorities"
  export GIT_SSL_CAINFO="$OUTFITTER_WORK/authorities"
fi

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
      if git -C "$target" rev-parse -q --verify "$commit^{commit}" >/dev/null 2>&1; then break; fi
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

used=$(du -sk "$target" | cut -f 1)
if [ "$((used * 1024))" -gt "$OUTFITTER_SIZE_LIMIT" ]; then
  fail "no-space the checkout takes $used KiB of $((OUTFITTER_SIZE_LIMIT / 1024)) KiB"
fi
commit=$(git -C "$target" rev-parse HEAD)
rm -f -- "$marker"
printf 'commit %s\n' "$commit" >"$marker"
printf 'commit %s\n' "$commit" >"$OUTFITTER_MESSAGE"
