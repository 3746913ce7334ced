# SPDX-License-Identifier: Apache-2.0
# ./dev free-threaded [PYTHON]: the Python package and its tests on a free-threaded Python, with the GIL off. Without PYTHON it is the
# first of python3.14t and python3.13t that is there, else, on Debian only, one that is built from its source, once, in about four
# minutes.

source tools/dev/bindings.sh
source tools/dev/setup.sh

FREE_THREADED="$ROOT/.dev/free-threaded"
# A release whose source stays where it is.
FREE_THREADED_SUITE=trixie
FREE_THREADED_SOURCE=python3.13

# apt_apart COMMAND...: apt-get for a suite that is not this system's, with lists of its own.
apt_apart() {
    APT_CONFIG="$FREE_THREADED/apt/apt.conf" apt-get "$@"
}

# The source of Python, by way of the mirror that this system has its packages from.
fetch_python_source() {
    local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg apt="$FREE_THREADED/apt"
    mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$')" ||
        { say "a free-threaded Python is built on Debian only; elsewhere install python3.14t or python3.13t, or name one: ./dev free-threaded PYTHON" && return 1; }
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" &&
        printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$FREE_THREADED_SUITE" >"$apt/sources.list" &&
        printf 'Dir::State::Lists "%s";\nDir::Etc::SourceList "%s";\nDir::Etc::SourceParts "/dev/null";\nDir::Cache "%s";\n' \
            "$apt/lists" "$apt/sources.list" "$apt/cache" >"$apt/apt.conf" &&
        apt_apart update &&
        (cd "$apt" && apt_apart source --tar-only --download-only --only-source "$FREE_THREADED_SOURCE") &&
        rm -rf "$FREE_THREADED/source" && mkdir "$FREE_THREADED/source" &&
        tar -xf "$apt"/"$FREE_THREADED_SOURCE"_*.orig.tar.xz -C "$FREE_THREADED/source" --strip-components=1
}

build_python_interpreter() {
    fetch_python_source && (
        cd "$FREE_THREADED/source" &&
            ./configure -q --disable-gil --prefix="$FREE_THREADED/python" &&
            make -s -j"$(jobs_count)" &&
            make -s install
    ) && rm -rf "$FREE_THREADED/source" "$FREE_THREADED/apt"
}

# Print the free-threaded Python to use.
choose_free_threaded() {
    local name
    for name in "$@" python3.14t python3.13t "$FREE_THREADED"/python/bin/python3.*t; do
        if command -v "$name" >/dev/null; then
            command -v "$name"
            return
        fi
        [ $# -eq 0 ] || die "there is no $name"
    done
    say "free-threaded: building $FREE_THREADED_SOURCE of Debian $FREE_THREADED_SUITE without the GIL" >&2
    install_packages gcc make libssl-dev zlib1g-dev libffi-dev libsqlite3-dev libbz2-dev liblzma-dev >&2
    quietly free-threaded-python build_python_interpreter || return
    ls "$FREE_THREADED"/python/bin/python3.*t
}

pip_there() {
    PATH="$FREE_THREADED/venv/bin:$PATH" "$FREE_THREADED/venv/bin/python" -m pip "$1" --disable-pip-version-check "${@:2}"
}

# What the tests need, one after the other: some packages cannot be had for such a Python, and what needs them is skipped. An older
# version that is built is better than a newer one that is not.
install_what_can_be_had() {
    local requirement
    quietly free-threaded-tools pip_there install meson meson-python ninja pytest pytest-xdist || return
    while read -r requirement; do
        quietly free-threaded-pip pip_there install --prefer-binary "$requirement" 2>/dev/null || say "free-threaded: without ${requirement%%;*}"
    done < <(grep -v '^#' bindings/python/requirements-test.txt)
}

build_free_threaded() {
    pip_there install --no-build-isolation --no-deps --force-reinstall \
        --config-settings=build-dir="$BUILD/python-free-threaded" .
}

dev_free_threaded() {
    [ $# -le 1 ] || die "usage: ./dev free-threaded [PYTHON]"
    need setup
    local python
    case "${1:-}" in */*) set -- "$(from_caller "$1")" ;; esac
    python="$(choose_free_threaded "$@")"
    [ "$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("Py_GIL_DISABLED"))')" = 1 ] ||
        die "$python has a GIL that cannot be switched off"
    local wanted
    wanted="$({ "$python" -VV && cat bindings/python/requirements-test.txt; } | sha256sum)"
    if [ "$(cat "$FREE_THREADED/venv/stamp" 2>/dev/null)" != "$wanted" ]; then
        rm -rf "$FREE_THREADED/venv"
        quietly free-threaded-venv "$python" -m venv "$FREE_THREADED/venv"
        install_what_can_be_had
        printf '%s\n' "$wanted" >"$FREE_THREADED/venv/stamp"
    fi
    quietly free-threaded-build build_free_threaded
    say "free-threaded: $("$python" -VV)"
    # Also where an extension module of another package would switch the GIL on.
    PYTHON_GIL=0 "$FREE_THREADED/venv/bin/python" -m pytest -q -p no:cacheprovider -n "$(jobs_count)" --dist loadfile bindings/python/tests
}
