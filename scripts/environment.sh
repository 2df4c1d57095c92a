# Sourced by the other scripts: `make_environment DIR REQUIREMENT…` makes a virtual environment at
# DIR with the packages, or leaves it if it was made from the same pyproject.toml. Works as root or
# not; installs what Debian leaves out of Python only where it may.

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

system_package() { # NAME WHY
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        die "$2; install the package '$1' (e.g. sudo apt-get install $1) and run this again"
    apt-get -qq update && apt-get -qq install -y "$1" >/dev/null || die "cannot install '$1'"
}

make_environment() {
    local folder=$1 stamp
    shift
    PATH=${PATH//"$folder/bin:"/}  # what may be removed below is not what makes it anew
    command -v git >/dev/null || system_package git "there is no git"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die "Python 3.10 or later is needed"
    stamp=$({ printf '%s\n' "$@"; python3 -V; cat "$repository/pyproject.toml"; } | cksum)
    [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] && return
    rm -rf "$folder"
    python3 -c 'import ensurepip' 2>/dev/null ||
        system_package python3-venv "this Python cannot make virtual environments"
    python3 -m venv "$folder" || die "cannot make a virtual environment at '$folder'"
    "$folder/bin/python" -m pip install -q --disable-pip-version-check "$@" ||
        die "cannot install the packages"
    printf '%s' "$stamp" >"$folder/stamp"
}
