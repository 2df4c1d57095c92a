# Sourced by the other scripts. `make_environment DIR REQUIREMENT…` creates a virtual environment with
# the packages in DIR, unless it exists and was created from the same pyproject.toml. As root, also
# installs git and Debian's package python3-venv if they are missing.

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
    PATH=${PATH//"$folder/bin:"/}  # do not create it with its own Python, which is removed below
    command -v git >/dev/null || system_package git "git is not installed"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die "Python 3.10 or later is required"
    stamp=$({ printf '%s\n' "$@"; python3 -V; cat "$repository/pyproject.toml"; } | cksum)
    [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] && return
    rm -rf "$folder"
    python3 -c 'import ensurepip' 2>/dev/null ||
        system_package python3-venv "this Python cannot create virtual environments"
    python3 -m venv "$folder" || die "cannot create a virtual environment at '$folder'"
    "$folder/bin/python" -m pip install -q --disable-pip-version-check "$@" ||
        die "cannot install the packages"
    printf '%s' "$stamp" >"$folder/stamp"
}
