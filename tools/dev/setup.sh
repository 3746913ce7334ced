# SPDX-License-Identifier: Apache-2.0
# ./dev setup: what a fresh Debian or Ubuntu lacks. A stamp keyed by what is asked for lets later runs skip at once.

APT_PACKAGES=(ninja-build pkg-config g++ liburcu-dev libxxhash-dev libyaml-dev libcriterion-dev libzstd-dev zstd libsqlite3-dev liblmdb-dev
    redis-tools musl-tools)

setup_stamp() {
    {
        cat tools/dev/setup.sh tools/dev/requirements.txt bindings/python/requirements-test.txt
        command -v python3
        python3 --version
        pwd
    } 2>/dev/null | sha256sum | cut -c1-16
}

package_is_installed() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# install_packages PACKAGE...: those that are missing, by apt-get.
install_packages() {
    local missing=() package sudo=()
    if ! command -v apt-get >/dev/null; then
        say "setup: this is no Debian or Ubuntu; the equivalents of these packages are needed: $*"
        return
    fi
    for package in "$@"; do
        package_is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "to install ${missing[*]}, run as root or install sudo"
        sudo=(sudo)
    fi
    say "setup: installing ${missing[*]}"
    quietly setup-apt-update "${sudo[@]}" apt-get update
    quietly setup-apt-install "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${missing[@]}"
}

# The programs of a PostgreSQL server. The package would also start a server for everybody, which nobody here needs.
install_postgresql() {
    local folder=/etc/postgresql-common/createcluster.d sudo=()
    command -v apt-get >/dev/null && ! package_is_installed postgresql || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "to install postgresql, run as root or install sudo"
        sudo=(sudo)
    fi
    (
        # However it ends: with this file no package makes a cluster for anybody.
        trap "${sudo[*]} rm -f '$folder/memstore.conf'" EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        "${sudo[@]}" mkdir -p "$folder"
        "${sudo[@]}" tee "$folder/memstore.conf" <<<"create_main_cluster = false" >/dev/null
        install_packages postgresql
    )
}

# Whether this Python can make an environment and compile an extension.
python_is_complete() {
    "$1" - <<'END' >/dev/null 2>&1
import ensurepip, os, sysconfig, venv
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
END
}

# The Python to make the environment from: the one on the path if it is complete, else the system's, completed.
choose_python() {
    local first
    # The environment may also be on the path of the shell that called.
    first="$(PATH="${PATH//"$VENV/bin:"/}" command -v python3 || true)"
    if [ -n "$first" ] && python_is_complete "$first"; then
        say "$first"
        return
    fi
    install_packages python3 python3-venv python3-dev >&2
    python_is_complete /usr/bin/python3 || die "python3 lacks venv, ensurepip or Python.h; see build/logs"
    say /usr/bin/python3
}

make_environment() {
    local python
    python="$(choose_python)"
    say "setup: Python tools into .dev/venv ($("$python" --version))"
    rm -rf "$VENV"
    quietly setup-venv "$python" -m venv "$VENV"
    # Few of all these modules are ever imported, which then compiles them.
    quietly setup-pip "$VENV/bin/python" -m pip install --disable-pip-version-check --no-compile -r tools/dev/requirements.txt
}

# Prometheus' promtool, with which a test checks the metrics, out of its package into .dev/promtool: installed, the package
# would also start a server. Where it cannot be had, the test is skipped.
fetch_promtool() {
    local folder="$ROOT/.dev/promtool"
    [ -x "$folder/promtool" ] || command -v promtool >/dev/null && return
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return
    rm -rf "$folder.part" && mkdir -p "$folder.part" &&
        (cd "$folder.part" && apt-get download prometheus && dpkg-deb -x prometheus_*.deb .) &&
        mkdir -p "$folder" && mv "$folder.part/usr/bin/promtool" "$folder/promtool"
    local status=$?
    rm -rf "$folder.part"
    return $status
}

dev_setup() {
    local stamp="$ROOT/.dev/setup.stamp" wanted
    wanted="$(setup_stamp)"
    if [ -x "$VENV/bin/meson" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    mkdir -p "$ROOT/.dev"
    command -v gcc >/dev/null || install_packages gcc libc6-dev
    install_packages "${APT_PACKAGES[@]}"
    install_postgresql
    make_environment
    quietly setup-promtool fetch_promtool || say "setup: promtool cannot be had; its test is skipped"
    check_go bindings/go || say "setup: without it the Go binding cannot be built; all else can"
    # The path of python3 is another once the environment exists.
    setup_stamp >"$stamp"
    say "setup: done"
}
