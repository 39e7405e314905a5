# What is there of Setpoint on this host, and what the host offers. Changes nothing. Runs as root.
# Arguments: FOLDER of all releases, PROGRAM on the PATH.
set -u
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
folder=$1 program=$2
say() { printf 'setpoint %s %s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }

for tool in awk cmp find flock gzip install mktemp sed tar; do has "$tool" || say lacks "$tool"; done
if has systemctl && version=$(systemctl show --property=Version --value 2>/dev/null); then say systemd "${version:-?}"; fi

# Room and rights of the file system, asked of the nearest folder that is there.
near=$folder
while [ ! -d "$near" ]; do near=$(dirname "$near"); done
df -Pk "$near" | awk 'NR == 2 { print "setpoint free " $4 * 1024; print "setpoint mount " $6 }'
mount=$(df -Pk "$near" | awk 'NR == 2 { print $6 }')
say options "$(awk -v mount="$mount" '$2 == mount { options = $4 } END { print options }' /proc/mounts)"

for release in "$folder"/releases/*/; do
  [ -d "$release" ] || continue
  release=${release%/}
  say release "${release##*/}"
  for digest in "$release"/node_modules/node-linux-*/bin/node.sha256; do
    [ -f "$digest" ] && say node "$(cat "$digest")"
  done
done
[ -L "$folder/current" ] && say current "$(basename "$(readlink "$folder/current")")"
if [ -e "$program" ] && [ ! -L "$program" ]; then say foreign "$program"; fi
has systemctl && say agent "$(systemctl is-active setpoint-agent.service 2>/dev/null)"

say cpus "$(getconf _NPROCESSORS_ONLN)"
awk '$1 == "MemTotal:" { print "setpoint memory " $2 * 1024 }' /proc/meminfo
(
  . /etc/os-release 2>/dev/null
  say os "${ID:-linux}${VERSION_ID:+-$VERSION_ID}"
)
card=$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route)
[ -n "$card" ] && speed=$(cat "/sys/class/net/$card/speed" 2>/dev/null) && say speed "$speed"
# Free room of each volume group in bytes, and what our own volumes take of it.
if has vgs; then
  vgs --noheadings --nosuffix --units b --separator ' ' -o vg_name,vg_free 2>/dev/null |
    awk '{ print "setpoint group " $1 " " $2 }'
fi
exit 0
