# Runs in the test pod, as the workspace's user. It prints "name: ok", "name: failed" or "name: skipped" for each
# check, "name>: line" for its output, and "facts>: name=value" for what explains a failure.

say() { printf '%s: %s\n' "$1" "$2"; }
told() { printf '%s\n' "$2" | tail -n 20 | while IFS= read -r line; do [ -z "$line" ] || say "$1>" "$line"; done; }
attempt() {
  name=$1; shift
  if output=$("$@" 2>&1); then say "$name" ok; else say "$name" failed; fi
  told "$name" "$output"
}
fact() { [ -z "$2" ] || say 'facts>' "$1=$2"; }
first() { head -n 1 "$1" 2>/dev/null; }
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }
# Without a network, Podman would try for minutes to reach a registry.
limited() {
  seconds=$1; shift
  if command -v timeout >/dev/null 2>&1; then timeout "$seconds" "$@"; else "$@"; fi
}

# The user, and its home as the image has it.
work=/podman-wizard
uid=$(id -u)
entry=$(while IFS=: read -r name _ id _ _ home _; do
  [ "$id" != "$uid" ] || { printf '%s:%s\n' "$name" "$home"; break; }
done < /etc/passwd)
user=${entry%%:*}
HOME=${entry#*:}
if [ -z "$HOME" ] || [ ! -w "$HOME" ]; then mkdir -p "$work/home"; HOME=$work/home; fi
own=$(mktemp -d 2>/dev/null) || own=$HOME/podman-wizard
export HOME user work own
cd "$HOME" || cd /

fact kernel "$(uname -r)"
fact user "$user"
fact home "${entry#*:}"
fact no-new-privs "$(status NoNewPrivs)"
fact bounding-set "$(status CapBnd)"
fact seccomp "$(status Seccomp)"
fact confinement "$(tr -d '\000' < /proc/self/attr/current 2>/dev/null)"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then fact cgroup v2; else fact cgroup v1; fi
fact restrict-userns "$(first /proc/sys/kernel/apparmor_restrict_unprivileged_userns)"
fact max-user-namespaces "$(first /proc/sys/user/max_user_namespaces)"
fact userns-clone "$(first /proc/sys/kernel/unprivileged_userns_clone)"
fact pod-uid-map "$(tr -s ' ' < /proc/self/uid_map | tr '\n' ',')"
fact subuid "$(sed -n "s/^\(${user:-$uid}\|$uid\)://p" /etc/subuid 2>/dev/null | tr '\n' ' ')"
for tool in newuidmap newgidmap; do
  path=$(command -v "$tool") || continue
  fact "$tool" "$(ls -lnL "$path" | cut -d' ' -f1) $(getcap "$path" 2>/dev/null || echo 'capabilities unknown')"
done
[ ! -e /dev/fuse ] || fact device "$(ls -ln /dev/fuse)"
fact volume "$(stat -f -c %T "$work" 2>/dev/null)"
fact own-file-system "$(stat -f -c %T "$own" 2>/dev/null)"

attempt user sh -c '
  test "$(id -u)" != 0 || { echo "the user is root"; exit 1; }
  test -n "$user" || { echo "no entry for UID $(id -u) in /etc/passwd"; exit 1; }'
attempt podman sh -c '
  for tool in podman newuidmap newgidmap; do
    command -v $tool >/dev/null || { echo "$tool: not found"; missing=1; }
  done
  test -z "$missing" && podman --version'
attempt user-namespace podman --root "$work/root" --runroot "$work/root.run" unshare cat /proc/self/uid_map
# Images have files of several owners: one that is neither root nor the user shows whether the mapping is enough.
attempt uid-map podman --root "$work/root" --runroot "$work/root.run" unshare sh -c '
  touch "$work/owned" && chown 33:33 "$work/owned" && ls -ln "$work/owned"'

# A container from the image's own programs, so that it needs no network. Its mounts tell what Podman really used.
tar -chf "$work/image.tar" $(ldd /bin/cat | grep -o '/[^ ]*') /bin/cat /bin/true 2>/dev/null
way() {
  name=$1 type=$2 place=$3; shift 3
  set -- podman --root "$place/$name" --runroot "$place/$name.run" --storage-driver overlay "$@"
  output=$("$@" import -q "$work/image.tar" localhost/wizard 2>&1 &&
    "$@" run --rm --network=host localhost/wizard /bin/cat /proc/self/mountinfo 2>&1)
  result=$?
  found=$(printf '%s\n' "$output" | sed -n 's/^[0-9 :]* [^ ]* \/ .* - \([^ ]*\) .*/\1/p' | head -n 1)
  if [ "$result" != 0 ] || [ -z "$found" ]; then say "$name" failed; told "$name" "$output"; return 1; fi
  told "$name" "root file system of the container: $found"
  case $type in "$found" | any) say "$name" ok ;; *) say "$name" failed; return 1 ;; esac
}
good=
way native-overlay overlay "$work" && good=$work/native-overlay
if [ "$FUSE" = yes ]; then
  attempt device sh -c 'test -c /dev/fuse || { echo "/dev/fuse does not exist"; exit 1; }; exec 3<>/dev/fuse'
  program=$(command -v fuse-overlayfs) || program=fuse-overlayfs
  option="overlay.mount_program=$program"
  if way fuse-overlayfs fuse.fuse-overlayfs "$own" --storage-opt "$option" && [ -z "$good" ]; then
    good=$own/fuse-overlayfs
    set -- --storage-opt "$option"
  fi
else
  say device skipped
  say fuse-overlayfs skipped
fi
way own-file-system any "$own"

# These can fail while Podman itself works.
if [ -n "$good" ]; then
  set -- podman --root "$good" --runroot "$good.run" --storage-driver overlay "$@"
  attempt network limited 20 "$@" run --rm localhost/wizard /bin/true
  attempt pull limited 15 "$@" run --rm --network=host quay.io/podman/hello
else
  say network skipped
  say pull skipped
fi
say end reached
