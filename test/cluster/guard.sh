# Runs "$@" and ends it when whoever holds our standard input lets go of it, even by SIGKILL.
# Each input line is a signal name to pass on; end of input means: kill, then remove $NOPEA_GUARD_DIR.
exec 3<&0
"$@" 3<&- </dev/null &
program=$!
{
  while read -r signal; do kill -s "$signal" "$program"; done
  trap '' TERM
  kill -s KILL "$program"
  if [ -n "$NOPEA_GUARD_DIR" ]; then
    sleep 1
    rm -rf "$NOPEA_GUARD_DIR"
  fi
} <&3 >/dev/null 2>&1 &
watcher=$!
exec 3<&- </dev/null
wait "$program"
code=$?
kill -s TERM "$watcher" 2>/dev/null
exit "$code"
