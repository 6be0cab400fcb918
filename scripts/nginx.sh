#!/bin/sh
# Makes sure that there are nginx and systemd-analyze for the tests of deploy/: those that are here, else Debian's.
# Debian's nginx is unpacked and not installed, because installing it would start it.
cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:/usr/sbin:/sbin

present() {
	{ command -v nginx >/dev/null || .venv/nginx/usr/sbin/nginx -v 2>/dev/null; } &&
		command -v systemd-analyze >/dev/null
}

present && exit 0

log=$(mktemp)
folder=$(mktemp -d)
trap 'rm -rf "$log" "$folder"' EXIT
chmod 755 "$folder"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "Fetching nginx and systemd-analyze for the tests"
	export DEBIAN_FRONTEND=noninteractive
	{
		apt-get update &&
			apt-get install --yes --no-install-recommends systemd libpcre2-8-0 libssl3 zlib1g &&
			(cd "$folder" && apt-get download nginx && dpkg-deb --extract nginx_*.deb extracted) &&
			mkdir -p .venv/nginx && cp -R "$folder/extracted/." .venv/nginx/
	} >"$log" 2>&1 && present && exit 0
fi

cat "$log" >&2
cat >&2 <<'END'

The tests of deploy/ need nginx and systemd-analyze, and these could not be fetched.
  on Debian:  apt-get install nginx systemd
All other tests run without them:  .venv/bin/pytest -m "not deploy"
END
exit 1
