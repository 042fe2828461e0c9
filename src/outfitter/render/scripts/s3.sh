# Copies a bucket into a volume. Needs rclone and df.

program=rclone
noise='^$|NOTICE|INFO'

# Removes the time and number of the request, which differ each time.
shortened() {
  sed -e 's#[0-9]*/[0-9]*/[0-9]* [0-9:]* [A-Z]* *: ##' -e 's/Failed to [a-z]*: //' \
    -e 's/operation error S3: [A-Za-z0-9]*, //' -e 's/exceeded maximum number of attempts, [0-9]*, //' \
    -e 's/https response error StatusCode: [0-9]*, //' -e 's/RequestID: [^,]*, HostID: [^,]*, //'
}

causes() {
  judge not-writable "$target[^ ]*: permission denied"
  judge no-space 'no space left|disk quota exceeded|not enough space'
  judge authentication 'InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|StatusCode: 401|InvalidClientTokenId|no valid credential'
  judge bucket-missing 'NoSuchBucket|directory not found|StatusCode: 404|InvalidBucketName'
  judge forbidden 'AccessDenied|Forbidden|StatusCode: 403|AllAccessDisabled'
  judge certificate 'x509:|failed to verify certificate'
  judge unreachable 'dial tcp|no such host|connection (refused|reset)|i/o timeout|tls:|EOF|StatusCode: 5|RequestCanceled|deadline exceeded|proxyconnect'
}

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

# The file system of a claim can have a folder of its own, which only root may read.
if [ -d "$target/lost+found" ]; then export RCLONE_EXCLUDE='/lost+found/**'; fi

patient size --json "source:$OUTFITTER_BUCKET" >"$OUTFITTER_WORK/size" || explain $?
objects=$(sed -n 's/.*"count":\([0-9]*\).*/\1/p' "$OUTFITTER_WORK/size")
bytes=$(sed -n 's/.*"bytes":\([0-9]*\).*/\1/p' "$OUTFITTER_WORK/size")
if [ "$bytes" -gt "$OUTFITTER_SIZE_LIMIT" ]; then
  fail "no-space the bucket holds $bytes bytes, and sizeLimit is $OUTFITTER_SIZE_LIMIT"
fi
used=$(used_kib)
free=$(df -Pk "$target" | sed -n '$s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/\1/p')
if [ "$((bytes / 1024))" -gt "$((free + used))" ]; then
  fail "no-space the bucket holds $((bytes / 1024)) KiB, and $free KiB are free"
fi
try sync "source:$OUTFITTER_BUCKET" "$target" || explain $?
printf 'objects %s bytes %s\n' "$objects" "$bytes" >"$OUTFITTER_MESSAGE"
