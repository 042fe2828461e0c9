# Copies a bucket into a volume. All values are environment variables: none is part of this text.
# Needs sh, rclone, timeout, grep, head, sed, tr, cut, df and du.

umask 0022
export HOME="$OUTFITTER_WORK" TMPDIR="$OUTFITTER_WORK" LC_ALL=C
target=$OUTFITTER_TARGET
log=$OUTFITTER_WORK/log
deadline=$(($(date +%s) + OUTFITTER_SECONDS))
patience=$(($(date +%s) + OUTFITTER_PATIENCE))
child=
trap 'kill "$child" 2>/dev/null; exit 143' TERM

# Ends with a code and one line: without logins in URLs, and without the time and number of the request, which differ
# each time.
fail() {
  printf 'failed %s\n' "$1" | sed -e 's#://[^/ ]*@#://#g' -e 's#[0-9]*/[0-9]*/[0-9]* [0-9:]* [A-Z]* *: ##' \
    -e 's/Failed to [a-z]*: //' -e 's/operation error S3: [A-Za-z0-9]*, //' \
    -e 's/exceeded maximum number of attempts, [0-9]*, //' -e 's/https response error StatusCode: [0-9]*, //' \
    -e 's/RequestID: [^,]*, HostID: [^,]*, //' | tr -cd '\012\040-\176' | cut -c 1-320 >"$OUTFITTER_MESSAGE"
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
  judge no-space 'no space left|disk quota exceeded|not enough space'
  judge authentication 'InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|StatusCode: 401|InvalidClientTokenId|no valid credential'
  judge bucket-missing 'NoSuchBucket|directory not found|StatusCode: 404|InvalidBucketName'
  judge forbidden 'AccessDenied|Forbidden|StatusCode: 403|AllAccessDisabled'
  judge unreachable 'dial tcp|no such host|connection (refused|reset)|i/o timeout|x509|tls:|EOF|StatusCode: 5|RequestCanceled|deadline exceeded|proxyconnect'
  printf 'other %s\n' "$(grep -v -i -E -e '^$|NOTICE|INFO' "$log" | head -n 1)"
)

explain() {
  fail "$(classify "$1")"
}

# Runs rclone with the time that is left. The trap ends it at once when the pod is deleted.
try() {
  left=$((deadline - $(date +%s)))
  status=0
  timeout "$((left > 1 ? left : 1))" rclone "$@" 2>"$log" &
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

if [ -n "$OUTFITTER_AUTHORITIES" ]; then
  for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem; do
    if [ -r "$file" ]; then cat "$file" && break; fi
  done >"$OUTFITTER_WORK/authorities"
  printf '%s\n' "$OUTFITTER_AUTHORITIES" >>"$OUTFITTER_WORK/authorities"
  export SSL_CERT_FILE="$OUTFITTER_WORK/authorities"
fi

# Rclone reads the remote `source` from its environment, which no other program sees.
: >"$OUTFITTER_WORK/rclone.conf"
export RCLONE_CONFIG="$OUTFITTER_WORK/rclone.conf" RCLONE_CACHE_DIR="$OUTFITTER_WORK/cache"
export RCLONE_CONFIG_SOURCE_TYPE=s3 RCLONE_CONFIG_SOURCE_ENV_AUTH=false RCLONE_CONFIG_SOURCE_PROVIDER=AWS
if [ -n "$OUTFITTER_URL" ]; then
  export RCLONE_CONFIG_SOURCE_ENDPOINT="$OUTFITTER_URL"
  case $OUTFITTER_URL in
  *://s3.*.amazonaws.com | *://s3.*.amazonaws.com/)
    region=${OUTFITTER_URL#*://s3.}
    export RCLONE_CONFIG_SOURCE_REGION="${region%%.amazonaws.com*}"
    ;;
  *.amazonaws.com | *.amazonaws.com/) ;;
  *) export RCLONE_CONFIG_SOURCE_PROVIDER=Other ;;
  esac
fi
if [ "$OUTFITTER_LOGIN" = access-key ]; then
  RCLONE_CONFIG_SOURCE_ACCESS_KEY_ID=$(tr -d '\r\n' <"$OUTFITTER_CREDENTIAL/id")
  RCLONE_CONFIG_SOURCE_SECRET_ACCESS_KEY=$(tr -d '\r\n' <"$OUTFITTER_CREDENTIAL/key")
  export RCLONE_CONFIG_SOURCE_ACCESS_KEY_ID RCLONE_CONFIG_SOURCE_SECRET_ACCESS_KEY
fi
export RCLONE_RETRIES=2 RCLONE_LOW_LEVEL_RETRIES=3 RCLONE_CONTIMEOUT=20s RCLONE_TIMEOUT=60s
export RCLONE_BUFFER_SIZE=4Mi RCLONE_TRANSFERS=4 RCLONE_USE_SERVER_MODTIME=true

patient size --json "source:$OUTFITTER_BUCKET" >"$OUTFITTER_WORK/size" || explain $?
objects=$(sed -n 's/.*"count":\([0-9]*\).*/\1/p' "$OUTFITTER_WORK/size")
bytes=$(sed -n 's/.*"bytes":\([0-9]*\).*/\1/p' "$OUTFITTER_WORK/size")
if [ "$bytes" -gt "$OUTFITTER_SIZE_LIMIT" ]; then
  fail "no-space the bucket holds $bytes bytes, and sizeLimit is $OUTFITTER_SIZE_LIMIT"
fi
used=$(du -sk "$target" | cut -f 1)
free=$(df -Pk "$target" | sed -n '$s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/\1/p')
if [ "$((bytes / 1024))" -gt "$((free + used))" ]; then
  fail "no-space the bucket holds $((bytes / 1024)) KiB, and the node has $free KiB"
fi
try sync "source:$OUTFITTER_BUCKET" "$target" || explain $?
printf 'objects %s bytes %s\n' "$objects" "$bytes" >"$OUTFITTER_MESSAGE"
