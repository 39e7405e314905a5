# Makes a release the one that runs: tries it, switches to it, installs the unit files, starts the agent where it does not run already, keeps the
# release before. Does only what is not done yet, so it may be run at any time and again. Runs as root.
# Arguments: FOLDER of all releases, PROGRAM on the PATH, folder of systemd's UNITS, ID of the release, folder with it as it came in, or `-`.
set -u
export LC_ALL=C
umask 022
folder=$1 program=$2 units=$3 id=$4 incoming=$5
unit=setpoint-agent.service
say() { printf 'setpoint %s %s\n' "$1" "$2"; }

# fail KIND TEXT: what it was, for the one who called; the last lines of the text.
fail() {
  say failed "$1"
  printf '%s\n' "$2" | tail -n 8 | sed 's/^/setpoint said /'
  [ "$incoming" = - ] || rm -rf "$incoming"
  exit 1
}

# Puts a release in its place once it was seen to run there.
settle() {
  if [ ! -d "$folder/releases/$id" ]; then
    text=$("$incoming/reconciler/setpoint" --version 2>&1) || fail run "$text"
    # A release whose name is there after a power cut is there as a whole.
    sync -f "$incoming" 2>/dev/null || sync
    text=$(mv -T "$incoming" "$folder/releases/$id" 2>&1) || fail step "$text"
  else
    rm -rf "$incoming"
  fi
  incoming=-
}

# Loads all of the agent's code without starting it: a release that lacks something is found out before the switch, and the agent, which then
# starts from code that is compiled already, is away for a moment only.
load() {
  release=$folder/releases/$id
  for node in "$release"/node_modules/node-linux-*/bin/node; do
    NODE_COMPILE_CACHE=$release/node_modules/.cache/setpoint "$node" --eval "import('$release/reconciler/cli/verbs/agent.ts')" 2>&1
    return
  done
}

# link TARGET PATH: a symbolic link there, at once and without a moment without it. False: it was so before.
link() {
  [ "$(readlink "$2")" = "$1" ] && return 1
  rm -f "$2.new"
  text=$(ln -s "$1" "$2.new" 2>&1 && mv -T "$2.new" "$2" 2>&1) || fail step "$text"
}

# put FILE PATH: a copy of the file there. False: it was so before.
put() {
  cmp -s "$1" "$2" && return 1
  text=$(mkdir -p "$(dirname "$2")" 2>&1 && install -m 644 "$1" "$2.new" 2>&1 && mv "$2.new" "$2" 2>&1) || fail step "$text"
}

# Unit files as the current release has them. What changed them is remembered until the agent was started with it.
put_units() {
  from=$folder/current/reconciler/agent/systemd
  if put "$from/$unit" "$units/$unit"; then : >"$folder/restart"; say did units; fi
  if put "$from/docker.service.d/setpoint.conf" "$units/docker.service.d/setpoint.conf"; then say did units; fi
  case "$(systemctl show --property=NeedDaemonReload --value "$unit" docker.service 2>/dev/null)" in
    *yes*) ;;
    *) [ "$(systemctl show --property=LoadState --value "$unit" 2>/dev/null)" = loaded ] && return ;;
  esac
  text=$(systemctl daemon-reload 2>&1) || fail step "$text"
}

# The release that the agent's process runs from; empty: none does.
running() {
  pid=$(systemctl show --property=MainPID --value "$unit" 2>/dev/null)
  [ "${pid:-0}" -gt 0 ] && tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | sed -n "s|^$folder/releases/\([0-9a-f]*\)/reconciler/main\.ts$|\1|p"
}

# The lock is not for what is started.
start() { systemctl restart "$unit" 2>&1 9>&-; }

# The release before comes back when this one does not start.
go_back() {
  why=$(printf '%s\n' "$text"; journalctl --unit="$unit" --lines=6 --no-pager --output=cat 2>/dev/null)
  if [ -n "$before" ] && [ "$before" != "$id" ]; then
    link "releases/$before" "$folder/current"
    put_units
    start >/dev/null && rm -f "$folder/restart" && say back "$before"
  fi
  fail agent "$why"
}

exec 9>"$folder/lock" || exit 1
flock -w 60 9 || fail busy "another setpoint host add works on this host"
if [ -e "$program" ] && [ ! -L "$program" ]; then fail foreign "$program"; fi
[ "$incoming" = - ] || settle
[ -d "$folder/releases/$id" ] || fail step "the release $id is not there any more"

if [ "$(running)" != "$id" ]; then text=$(load) || fail load "$text"; fi

before=
[ -L "$folder/current" ] && before=$(basename "$(readlink "$folder/current")")
if link "releases/$id" "$folder/current"; then
  [ -z "$before" ] || link "releases/$before" "$folder/previous"
  say did release
fi
mkdir -p "$(dirname "$program")"
if link "$folder/current/reconciler/setpoint" "$program"; then say did program; fi
put_units
if ! systemctl is-enabled --quiet "$unit" 2>/dev/null; then
  text=$(systemctl enable --quiet "$unit" 2>&1) || fail step "$text"
  say did enabled
fi
if [ "$(systemctl is-active "$unit" 2>/dev/null)" != active ] || [ "$(running)" != "$id" ] || [ -e "$folder/restart" ]; then
  was=$(running)
  text=$(start) || go_back
  rm -f "$folder/restart"
  if [ -n "$was" ]; then say did restarted; else say did started; fi
fi

# Of old releases the one before stays, to go back to.
previous=$(readlink "$folder/previous") || previous=
for release in "$folder"/releases/*/; do
  release=${release%/}
  case "${release##*/}" in "$id" | "${previous##*/}") ;; *) rm -rf "$release" ;; esac
done
say active "$id"
