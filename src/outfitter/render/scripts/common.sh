# Both sources begin with this text. All values are environment variables: none is part of it.
# Needs sh, timeout, grep, head, sed, tr, cut and du. The text of the source sets `program` and `noise`, and defines
# `causes` and `shortened`.

umask "$OUTFITTER_UMASK"
export HOME="$OUTFITTER_WORK" TMPDIR="$OUTFITTER_WORK" LC_ALL=C
target=$OUTFITTER_TARGET
log=$OUTFITTER_WORK/log
deadline=$(($(date +%s) + OUTFITTER_SECONDS))
patience=$(($(date +%s) + OUTFITTER_PATIENCE))
child=
trap 'kill "$child" 2>/dev/null; exit 143' TERM

# Ends with a code and one line in which no URL has a login.
fail() {
  printf 'failed %s\n' "$1" | sed 's#://[^/ ]*@#://#g' | shortened | tr -cd '\012\040-\176' | cut -c 1-320 \
    >"$OUTFITTER_MESSAGE"
  exit 1
}

# Ends `classify` with a code and the line that shows it, if the program has printed one.
judge() {
  if line=$(grep -i -m 1 -E -e "$2" "$log"); then
    printf '%s %s\n' "$1" "$line"
    exit
  fi
}
classify() (
  case $1 in 124 | 137 | 143)
    echo "timeout not complete after $OUTFITTER_SECONDS seconds"
    exit
    ;;
  esac
  causes
  printf 'other %s\n' "$(grep -v -i -E -e "$noise" "$log" | head -n 1)"
)

explain() {
  fail "$(classify "$1")"
}

# Runs the program with the time that is left. The trap ends it at once when the pod is deleted.
try() {
  left=$((deadline - $(date +%s)))
  status=0
  timeout "$((left > 1 ? left : 1))" "$program" "$@" 2>"$log" &
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

used_kib() {
  du -sk "$target" | cut -f 1
}

# Git and rclone read certificates from one file: those of the image, and those of the administrator.
if [ -n "$OUTFITTER_AUTHORITIES" ]; then
  for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem; do
    if [ -r "$file" ]; then cat "$file" && break; fi
  done >"$OUTFITTER_WORK/authorities"
  printf '%s\n' "$OUTFITTER_AUTHORITIES" >>"$OUTFITTER_WORK/authorities"
  export GIT_SSL_CAINFO="$OUTFITTER_WORK/authorities" SSL_CERT_FILE="$OUTFITTER_WORK/authorities"
fi

