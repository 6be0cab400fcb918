#!/bin/sh
# Makes sure that there is a Chromium for the browser tests: one that is here, else the distribution's, else Playwright's.
cd "$(dirname "$0")/.." || exit 1
. scripts/packages.sh
packages="chromium libatomic1 fonts-dejavu-core fonts-liberation"

installed() {
	for name in chromium chromium-browser google-chrome; do
		# Asking for the version tells a browser from a stub that only names a snap.
		command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1 && return 0
	done
	ls -d "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium* >/dev/null 2>&1
}

# Playwright brings its own node, which a bare system may lack a library for.
driver() {
	.venv/lib/python3*/site-packages/playwright/driver/node --version >/dev/null 2>&1
}

installed && driver && exit 0

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if debian_root && allowed "Chromium and fonts (about 400 MB)" "apt-get install $packages"; then
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # several words
	{
		apt-get update &&
			apt-get install --yes --no-install-recommends $packages
	} >"$log" 2>&1 && installed && driver && exit 0
fi

# In the home of whoever runs this, for which nobody needs to be root.
if allowed "Playwright's own Chromium (about 300 MB in your home)" ".venv/bin/playwright install chromium"; then
	.venv/bin/playwright install chromium >>"$log" 2>&1 && installed && driver && exit 0
fi

cat "$log" >&2
cat >&2 <<END

The browser tests need Chromium, and it is not installed. One of these helps:
  as root on Debian:  apt-get install $packages
  anywhere else:      .venv/bin/playwright install --with-deps chromium
All other tests run without it:  .venv/bin/pytest -m "not browser"
END
exit 1
