# Ends what is left of a sandbox when its `panko dev` is gone without having done so itself: killed,
# crashed. Reads one line for each process group, "+ID" when it starts and "-ID" when it has ended;
# the end of the input is the end of `panko dev`. $1 is a directory to remove then; none when empty.

# The terminal's signals are for `panko dev`.
trap '' HUP INT TERM

groups=' '
while read -r line; do
  id=${line#?}
  case $line in
    +*) groups="$groups$id " ;;
    -*)
      case $groups in
        *" $id "*) groups="${groups%%" $id "*} ${groups#*" $id "}" ;;
      esac
      ;;
  esac
done

send() {
  left=
  for id in $groups; do
    kill -s "$1" -- "-$id" 2>/dev/null && left=1
  done
  [ -n "$left" ]
}

if send TERM; then
  tries=50
  while [ "$tries" -gt 0 ] && send 0; do
    tries=$((tries - 1))
    sleep 0.1
  done
  send KILL && sleep 0.1
fi

if [ -n "$1" ]; then
  rm -rf -- "$1"
fi
