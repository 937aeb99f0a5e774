#!/bin/sh
# Install those of the named Debian packages that are missing, if we may. Exit 1 when some stay missing.
set -eu
missing=
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || { echo "not installed, this is no Debian:$missing"; exit 1; }
if [ "$(id -u)" = 0 ]; then root=; elif sudo -n true 2>/dev/null; then root="sudo -n"; else
    echo "not installed, needs root (apt-get install$missing):$missing"; exit 1
fi

# Some of these packages start a daemon when installed; a policy of 101 forbids that (invoke-rc.d(8)).
guard=/usr/sbin/policy-rc.d
if [ ! -e $guard ]; then
    trap '$root rm -f $guard' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' | $root tee $guard >/dev/null
    $root chmod 755 $guard
fi
echo "== Debian packages:$missing"
$root apt-get update -qq || true
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null || {
    echo "not installed, apt-get failed:$missing"; exit 1
}
