# Sourced by the scripts beside it, from the checkout's top: makes .venv and installs scepd into it.
# Nothing is installed twice: a stamp in .venv holds a checksum of what the installation depends on.

# Hundreds of processes import scepd in a run of the tests: compiled by each, it would take a third
# more of their time.
export PYTHONDONTWRITEBYTECODE=

is_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

is_root_on_debian() {
    [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null
}

# The name of a Python that will do, or an error.
find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        is_python "$PYTHON" && echo "$PYTHON" && return
        echo "PYTHON=$PYTHON is no Python 3.11 or newer." >&2
        return 1
    fi
    for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
        is_python "$candidate" && echo "$candidate" && return
    done
    echo "Python 3.11 or newer is needed; set PYTHON to its path." >&2
    return 1
}

# install_packages PACKAGE…: from Debian's archive.
install_packages() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

make_venv() {
    local python
    python=$(find_python) || return 1
    # Debian packages the module that brings pip into a venv on its own.
    if ! "$python" -c 'import ensurepip' 2>/dev/null && is_root_on_debian; then
        install_packages python3-venv || true
    fi
    if ! "$python" -m venv --clear .venv; then
        rm -rf .venv
        echo "$python can't make a venv; on Debian install python3-venv." >&2
        return 1
    fi
}

# ensure_environment EXTRAS: .venv with scepd installed editable, EXTRAS being "" or, say, "[test]".
ensure_environment() {
    local stamp checksum
    is_python .venv/bin/python || make_venv || return 1
    stamp=".venv/installed$1"
    checksum=$(cat setup.cfg pyproject.toml <(pwd) | cksum)
    [ "$(cat "$stamp" 2>/dev/null)" = "$checksum" ] && return
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$1" || return 1
    echo "$checksum" >"$stamp"
}
