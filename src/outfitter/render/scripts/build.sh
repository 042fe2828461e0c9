# Builds an image with BuildKit and pushes it. All values are environment variables: none is part of this text.
# Needs sh, buildctl, timeout, grep, head, tail, sed, sort, tr, cut, cp, realpath, mkfifo, tee and wc. Without a daemon
# also userns-exec, buildkitd, runc and mount.

umask 0022
work=$OUTFITTER_WORK
export HOME="$work" TMPDIR="$work" LC_ALL=C
log=$work/log
deadline=$(($(date +%s) + OUTFITTER_SECONDS))
patience=
child=
daemon=
trap 'kill $child 2>/dev/null || true; exit 143' TERM
trap 'kill $daemon 2>/dev/null || true' EXIT
rm -rf "$work/context" "$work/dockerfile" "$work/output" "$work/buildkitd.sock"
: >"$log"

# Printable text in which no URL has a login.
clean() {
  tr -cd '\012\040-\176' | sed 's#://[^/ ]*@#://#g'
}

# The message: one line, then the end of the log, without a part of a line.
report() {
  printf '%s\n' "$(printf '%s' "$1" | tr '\n' ' ' | clean | cut -c 1-320)" >"$OUTFITTER_MESSAGE"
  if [ "$(wc -c <"$log")" -gt 3600 ]; then
    clean <"$log" | tail -c 3600 | sed '1{$!d}'
  else
    clean <"$log"
  fi >>"$OUTFITTER_MESSAGE"
}
fail() {
  report "failed $1"
  exit 1
}

# Ends `classify` with a code and the error, if the error fits.
judge() {
  if printf '%s\n' "$error" | grep -q -i -E -e "$2"; then
    printf '%s %s\n' "$1" "$error"
    exit
  fi
}

# The step that failed, how, and the last line that it printed.
step() {
  shown=$(sed -n '/^ > \[/,/^------/p' "$log" | sed '/^------/d')
  name=$(printf '%s\n' "$shown" | head -n 1 | sed 's/^ > //; s/:$//' | cut -c 1-120)
  last=$(printf '%s\n' "$shown" | sed 1d | grep -v '^ *$' | tail -n 1 | sed 's/^[0-9.]* //')
  printf '%s' "${name:-a step}: ${error##*did not complete successfully: }${last:+: $last}"
}

# Only the line of BuildKit itself counts: a step can print anything, but each of its lines has a number in front.
classify() (
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "timeout not complete after $OUTFITTER_SECONDS seconds"
    exit
  fi
  error=$(grep -E '^error: ' "$log" | tail -n 1 | sed 's/^error: //; s/^failed to solve: //')
  case $error in process\ \"*)
    code=build-failed
    if step | grep -q -i -E 'no space left|disk quota exceeded'; then code=no-space; fi
    if step | grep -q -E 'runc run failed: .*error mounting .*not permitted'; then code=daemon-failed; fi
    echo "$code $(step)"
    exit
    ;;
  esac
  judge no-space 'no space left|disk quota exceeded'
  judge dockerfile-missing 'failed to read dockerfile'
  judge certificate 'x509:|tls: |certificate|HTTP response to HTTPS client|first record does not look like a TLS'
  judge daemon-unreachable '^(listing workers|failed to list workers|failed to dial)|^Unavailable|connection error: desc|transport is closing|closing transport|error reading from server|no active session'
  case $error in
  "failed to push "* | *"failed to resolve source metadata for "* | *"failed to fetch "*token* | *"failed to copy: "*)
    judge registry-unreachable 'dial tcp|no such host|connection (refused|reset)|i/o timeout|no route to host|network is unreachable|TLS handshake timeout|deadline exceeded|EOF$|: (429|50[0-9]) [A-Z]'
    judge base-image-missing 'pull access denied|source metadata.*(not found|manifest unknown|name unknown|no match for platform)'
    judge forbidden 'push access denied'
    judge login-rejected ': 401 [A-Z]|basic auth|authorization failed|failed to authorize|failed to fetch .*token'
    judge forbidden ': 403 [A-Z]|access denied|denied: |insufficient_scope'
    judge repository-missing 'failed to push.*(: 404 [A-Z]|not found|name unknown)'
    judge push-failed '^failed to push'
    ;;
  esac
  if grep -q '^error: failed to solve: ' "$log"; then
    echo "build-failed $error"
  else
    echo "other ${error:-$(grep -v '^ *$' "$log" | tail -n 1)}"
  fi
)

# Copies the output to the log of the container while the program runs, so that `wait` can be interrupted.
try() {
  left=$((deadline - $(date +%s)))
  tee "$log" <"$work/output" &
  copy=$!
  timeout "$((left > 1 ? left : 1))" buildctl "$@" >"$work/output" 2>&1 &
  child=$!
  status=0
  wait "$child" || status=$?
  child=
  wait "$copy"
  return "$status"
}

# The same, again and again for a while if a server cannot be reached: the pods of a Job are not started again.
patient() {
  until try "$@"; do
    case $(classify) in
    daemon-unreachable* | registry-unreachable*) ;;
    *) return 1 ;;
    esac
    if [ -n "$daemon" ] && ! kill -0 "$daemon" 2>/dev/null; then daemon_failed; fi
    patience=${patience:-$(($(date +%s) + ${OUTFITTER_PATIENCE:-150}))}
    if [ "$(date +%s)" -ge "$patience" ]; then return 1; fi
    sleep 5 &
    child=$!
    wait "$child" || true
  done
}

daemon_failed() {
  cat "$work/daemon.log" >&2
  cp "$work/daemon.log" "$log"
  fail "daemon-failed $(grep -v '^ *$' "$log" | tail -n 1)"
}

# The host of an image.
host() {
  case $1 in */*) printf '%s' "${1%%/*}" ;; esac
}

# Names of images are part of options, in which a comma begins another option.
for image in "$OUTFITTER_DESTINATION" "${OUTFITTER_CACHE:-}"; do
  case $image in *[!]a-zA-Z0-9._/:@[-]*) fail "other the name of the image is invalid: $image" ;; esac
done

context=$OUTFITTER_CONTEXT
if [ "${OUTFITTER_CONFIG_MAP:-}" = true ]; then
  # The files of a ConfigMap are links into a hidden folder.
  context=$work/context
  mkdir "$context"
  for file in "$OUTFITTER_CONTEXT"/* "$OUTFITTER_CONTEXT"/.[!.]*; do
    if [ -e "$file" ]; then cp -R -L "$file" "$context/"; fi
  done
fi
context=$(realpath "$context") || fail "other the source has no folder $OUTFITTER_CONTEXT"
root=$(realpath "${OUTFITTER_ROOT:-$context}")
case $context in "$root" | "$root"/* | "$work/context") ;; *) fail "dockerfile-outside $OUTFITTER_CONTEXT leads out of the source" ;; esac
if [ -n "${OUTFITTER_DOCKERFILE_TEXT:-}" ]; then
  folder=$work/dockerfile
  name=Dockerfile
  mkdir "$folder"
  printf '%s\n' "$OUTFITTER_DOCKERFILE_TEXT" >"$folder/$name"
else
  given=${OUTFITTER_DOCKERFILE:-Dockerfile}
  file=$(realpath "$context/$given" 2>/dev/null) || fail "dockerfile-missing the source has no file $given"
  case $file in "$context"/*) ;; *) fail "dockerfile-outside $given leads out of the source" ;; esac
  [ -f "$file" ] || fail "dockerfile-missing the source has no file $given"
  folder=${file%/*}
  name=${file##*/}
fi

if [ -n "${OUTFITTER_DOCKER:-}" ]; then export DOCKER_CONFIG="$OUTFITTER_DOCKER"; fi
if [ -n "${OUTFITTER_AUTHORITIES:-}" ]; then
  for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem; do
    if [ -r "$file" ]; then cat "$file" && break; fi
  done >"$work/authorities"
  printf '%s\n' "$OUTFITTER_AUTHORITIES" >>"$work/authorities"
  export SSL_CERT_FILE="$work/authorities"
fi
insecure=
if [ "${OUTFITTER_INSECURE:-}" = true ]; then insecure=,registry.insecure=true; fi

settings=${OUTFITTER_BUILDKIT:-/nowhere}
if [ "$OUTFITTER_BACKEND" = daemonless ]; then
  address=unix://$work/buildkitd.sock
  {
    printf 'root = "%s"\n[grpc]\naddress = ["%s"]\n' "$work/state" "$address"
    printf '[worker.containerd]\nenabled = false\n[cdi]\ndisabled = true\n'
    if [ -n "$insecure" ]; then
      printf '%s\n' "$(host "$OUTFITTER_DESTINATION")" "$(host "${OUTFITTER_CACHE:-}")" | sort -u | while read -r found; do
        if [ -n "$found" ]; then printf '[registry."%s"]\nhttp = true\n' "$found"; fi
      done
    fi
  } >"$work/buildkitd.toml"
  # Programs of BuildKit write below /run, which is read-only outside.
  userns-exec sh -ec 'mount -t tmpfs tmpfs /run && exec buildkitd --config "$1"' sh "$work/buildkitd.toml" \
    >"$work/daemon.log" 2>&1 &
  daemon=$!
  until [ -S "$work/buildkitd.sock" ]; do
    if ! kill -0 "$daemon" 2>/dev/null; then daemon_failed; fi
    sleep 0.2
  done
else
  address=${OUTFITTER_ADDRESS:-}
  if [ -r "$settings/address" ]; then address=$(tr -d ' \r\n' <"$settings/address"); fi
  if [ -z "$address" ]; then fail "daemon-unreachable no address of a daemon is set"; fi
fi

mkfifo "$work/output"
metadata=$work/metadata.json
set -- --addr "$address"
if [ "$OUTFITTER_BACKEND" != daemonless ] && { [ -e "$settings/ca.pem" ] || [ -e "$settings/ca.crt" ]; }; then
  set -- "$@" --tlsdir "$settings"
fi
set -- "$@" build --progress plain --frontend dockerfile.v0 --metadata-file "$metadata" \
  --local "context=$context" --local "dockerfile=$folder" --opt "filename=$name" \
  --output "type=image,name=$OUTFITTER_DESTINATION,push=true$insecure"
if [ -n "${OUTFITTER_SCOPE:-}" ]; then set -- "$@" --opt "build-arg:BUILDKIT_CACHE_MOUNT_NS=$OUTFITTER_SCOPE"; fi
if [ -n "${OUTFITTER_CACHE:-}" ]; then
  set -- "$@" --import-cache "type=registry,ref=$OUTFITTER_CACHE$insecure" \
    --export-cache "type=registry,ref=$OUTFITTER_CACHE,mode=max,ignore-error=true$insecure"
fi
patient "$@" || fail "$(classify)"

digest=$(grep -o '"containerimage.digest": *"sha256:[0-9a-f]*"' "$metadata" | grep -o -E 'sha256:[0-9a-f]{64}' | head -n 1)
if [ -z "$digest" ]; then fail 'digest-missing the builder returned no digest'; fi
report "digest $digest"
