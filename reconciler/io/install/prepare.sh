# Makes room for a release. Runs as root.
# Arguments: FOLDER of all releases, PATH of Node's program in a release, its SHA-256.
set -eu
export LC_ALL=C
umask 022
folder=$1 node=$2 digest=$3
say() { printf 'setpoint %s %s\n' "$1" "$2"; }

mkdir -p "$folder/releases"
# What transfers that broke off left behind.
find "$folder/releases" -maxdepth 1 -name '.incoming-*' -mmin +1440 -exec rm -rf {} +
incoming=$(mktemp -d "$folder/releases/.incoming-XXXXXXXX")
chmod 755 "$incoming"
say incoming "$incoming"

# The same Node of another release needs no second copy, neither through the network nor on the disk.
for known in "$folder"/releases/*/"$node.sha256"; do
  if [ -f "$known" ] && [ "$(cat "$known")" = "$digest" ]; then
    mkdir -p "$incoming/$(dirname "$node")"
    ln "${known%.sha256}" "$incoming/$node"
    say node there
    break
  fi
done
