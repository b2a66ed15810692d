# Watches kubelet.service about once a second and reports the result. Writes nothing. Ends when the time is over and the kubelet is
# up, when the kubelet has stayed up for `steady` seconds, or at once when it does not stay up:
# - it was not active for `limit` seconds in a row, plus RestartSec (at most `longest`) while systemd waits to restart it
# - it has had two main processes after the first, or systemd counts two more restarts, even short ones between two checks
# Then the answer has the last lines of the kubelet's log.
#
# Set above this text: proc seconds steady limit longest first pause
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

packed() { printf '%s' $(base64); } # without newlines
number() { case $1 in '' | *[!0-9]*) printf 0 ;; *) printf '%s' "$1" ;; esac; }
# The unit's RestartSec in whole seconds; systemctl prints 100ms, 1.500000s, 10s, 1min 30s, infinity.
pause_of_unit() {
  said=$(systemctl show kubelet.service --property=Restart --property=RestartUSec 2>/dev/null)
  found=0
  if ! printf '%s\n' "$said" | grep -qx 'Restart=no'; then
    for part in $(printf '%s\n' "$said" | sed -n 's/^RestartUSec=//p'); do
      whole=$(number "${part%%[!0-9]*}")
      case $part in
        *ms | *us | 0) ;;
        *min) found=$((found + 60 * whole)) ;;
        *[0-9]s) found=$((found + whole)) ;;
        *) found=$((found + longest)) ;;
      esac
    done
  fi
  [ "$found" -le "$longest" ] || found=$longest
  echo "$found"
}
uptime_now() {
  up=
  read -r up rest 2>/dev/null <"$proc/uptime"
  number "${up%%.*}"
}

again=$(pause_of_unit)
began=$(uptime_now) since=$began calm=$began
inactive=0 looks=0 ended=time
pids=$first last=$first active= ended_before=
[ "$first" = 0 ] || ended_before=0 # since the run's own restart, which sets the count to 0
while :; do
  active= pid= restarts=
  while IFS='=' read -r property value; do
    case $property in
      ActiveState) active=$value ;;
      MainPID) pid=$value ;;
      NRestarts) restarts=$value ;;
    esac
  done <<SHOWN
$(systemctl show kubelet.service --property=ActiveState --property=MainPID --property=NRestarts 2>/dev/null)
SHOWN
  pid=$(number "$pid") restarts=$(number "$restarts")
  if [ "${ended_before:-$restarts}" -ge "$restarts" ] || { [ "$pid" != 0 ] && [ "$pid" = "$first" ]; }; then
    ended_before=$restarts
  fi
  now=$(uptime_now) looks=$((looks + 1))
  if [ "$pid" != 0 ] && [ "$pid" != "$last" ]; then
    pids="$pids $pid" last=$pid calm=$now
  fi
  may=$limit
  [ "$active" != activating ] || may=$((limit + again))
  if [ "$active" = active ]; then
    since=$now
  else
    calm=$now
    [ $((now - since)) -le "$inactive" ] || inactive=$((now - since))
  fi
  set -- $pids
  if [ $((now - since)) -ge "$may" ]; then
    ended=inactive
  elif [ $((restarts - ended_before)) -ge 2 ] || [ $# -gt 3 ] || { [ "${1:-0}" != 0 ] && [ $# -gt 2 ]; }; then
    ended=restarts
  elif [ "$steady" -gt 0 ] && [ $((now - calm)) -ge "$steady" ]; then
    ended=steady
  elif { [ "$active" = active ] && [ $((now - began)) -ge "$seconds" ]; } || [ "$looks" -gt $((seconds + limit + longest)) ]; then
    ended=time
  else
    sleep "$pause"
    continue
  fi
  break
done

log=
case $ended in
  inactive | restarts) log=$(journalctl -u kubelet.service -n 12 -o cat --no-pager 2>/dev/null | tail -c 4000) ;;
esac
printf 'kubevouch-answer: {"ended":"%s","seconds":%s,"inactive":%s,"active":"%s","log":"%s"}\n' "$ended" \
  "$((now - began))" "$inactive" "$(printf '%s' "$active" | packed)" "$(printf '%s' "$log" | packed)"
