# Puts a kubelet back to what it was before a run of kubevouch. Called by the run's own dead-man's switch, or by
# `kubevouch undo`. It may be called again, and does nothing unless the run is armed. Renames only: it must work
# on a full disk.
#
# Set above this text: run root pki config after units, and the functions of root_owned.sh
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
here=$root/.kubevouch/$run
[ -e "$here/armed" ] || exit 0
for folder in "$here" "$pki" "${config%/*}"; do
  why=$(not_only_roots "$folder")
  [ -z "$why" ] || { printf '%s; nothing was done\n' "$why" >&2 && exit 1; }
done
exec 9>"$root/.kubevouch/lock"
flock 9
[ -e "$here/armed" ] || exit 0
failed= stopped=

# Whoever edited the file meanwhile finds his edit in the run's folder.
[ "$(sha256sum <"$config" | cut -d' ' -f1)" = "$after" ] || cp -p "$config" "$here/strays/config.yaml" 2>/dev/null

if [ "$here/config.before" -ef "$config" ]; then
  rm -f "$here/config.before" # not replaced yet: the kept link is the file itself
elif [ -e "$here/config.before" ]; then
  mv -f "$here/config.before" "$config" || failed=yes
fi
sync
systemctl reset-failed kubelet.service 2>/dev/null
systemctl restart kubelet.service || stopped=yes

# The kubelet that runs now asks for nothing. Of its kubelet-server* files those are new that were not there before
# (kept/), or whose older namesake has been set aside.
for file in "$pki"/kubelet-server*; do
  name=${file##*/}
  if [ -e "$here/kept/$name" ] && [ ! -e "$here/aside/$name" ] && [ ! -L "$here/aside/$name" ]; then continue; fi
  if [ -e "$file" ] || [ -L "$file" ]; then mv -f "$file" "$here/strays/" || failed=yes; fi
done
for file in "$here"/aside/*; do
  if [ -e "$file" ] || [ -L "$file" ]; then mv -f "$file" "$pki/" || failed=yes; fi
done
rm -f "$here/seed.key" "$here/strays/kubelet-server.key" # the seed's key is of no more use
for file in "$here"/strays/*; do # what stays may be an issued pair with its key
  if [ -f "$file" ] && [ ! -L "$file" ]; then chmod go= "$file"; fi
done
rm -f "$units/multi-user.target.wants/kubevouch-undo-at-boot-$run.service" \
  "$units/kubevouch-undo-at-boot-$run.service" 2>/dev/null
[ -n "$failed" ] || mv "$here/armed" "$here/undone" || failed=yes # else it is still to be called again
sync
[ -z "$failed$stopped" ]
