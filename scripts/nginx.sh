#!/bin/sh
# Makes sure that there are nginx and systemd-analyze for the tests of deploy/: those that are here, else Debian's.
# Debian's nginx is unpacked and not installed, because installing it would start it.
cd "$(dirname "$0")/.." || exit 1
. scripts/packages.sh
PATH=$PATH:/usr/sbin:/sbin
packages="systemd libpcre2-8-0 libssl3 zlib1g"

present() {
	{ command -v nginx >/dev/null || .venv/nginx/usr/sbin/nginx -v 2>/dev/null; } &&
		command -v systemd-analyze >/dev/null
}

present && exit 0

log=$(mktemp)
folder=$(mktemp -d)
trap 'rm -rf "$log" "$folder"' EXIT
chmod 755 "$folder"
if debian_root && allowed "systemd-analyze, and nginx in .venv/nginx (about 30 MB)" \
	"apt-get install $packages; apt-get download nginx"; then
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # several words
	{
		apt-get update &&
			apt-get install --yes --no-install-recommends $packages &&
			(cd "$folder" && apt-get download nginx && dpkg-deb --extract nginx_*.deb extracted) &&
			mkdir -p .venv/nginx && cp -R "$folder/extracted/." .venv/nginx/
	} >"$log" 2>&1 && present && exit 0
fi

cat "$log" >&2
cat >&2 <<'END'

The tests of deploy/ need nginx and systemd-analyze, and these are not installed.
  as root on Debian:  apt-get install nginx systemd
All other tests run without them:  .venv/bin/pytest -m "not deploy"
END
exit 1
