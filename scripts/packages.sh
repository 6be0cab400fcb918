# Sourced by the scripts that bring what tests need. Nothing is installed without saying so before.

# Whether something may be installed: $1 says what, $2 how. At a terminal the answer is asked for.
# PORTAL_TEST_INSTALL=no refuses always, yes never asks.
allowed() {
	case "${PORTAL_TEST_INSTALL:-}" in
	no)
		echo "Not installing $1, because PORTAL_TEST_INSTALL=no." >&2
		return 1
		;;
	yes) ;;
	*)
		if [ -t 0 ] && [ -t 2 ]; then
			printf 'The tests need %s.\n  %s\nInstall now? [y/N] ' "$1" "$2" >&2
			read -r answer || return 1
			case "$answer" in [yY] | [yY][eE][sS]) return 0 ;; *) return 1 ;; esac
		fi
		;;
	esac
	echo "Installing $1: $2" >&2
}

# Whether this user can install packages of Debian.
debian_root() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}
