# What kind of machine this is, and who we are on it. Runs before anything is known, so it uses next to nothing.
# Every answer of these scripts is a line `setpoint NAME VALUE`; what a login shell prints besides is passed over.
export LC_ALL=C
say() { printf 'setpoint %s %s\n' "$1" "$2"; }

say system "$(uname -s)"
say machine "$(uname -m)"
say hostname "$(uname -n)"
say user "$(id -u)"
if [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then say sudo yes; fi
exit 0
