# SPDX-License-Identifier: Apache-2.0
# What the subcommands share. Sourced by ./dev, from the root of the repository.

ROOT="$PWD"
BUILD="$ROOT/build"
LOGS="$BUILD/logs"
# A private installation that the bindings are built and tested against.
STAGE="$BUILD/stage"
VENV="$ROOT/.dev/venv"

# Where the Go distribution puts itself; a fresh machine often lacks it on the path of non-login shells.
if ! command -v go >/dev/null && [ -x /usr/local/go/bin/go ]; then
    PATH="$PATH:/usr/local/go/bin"
fi
PATH="$VENV/bin:$PATH"
# Compiled Python files and caches of tools stay out of the source tree.
export PYTHONPYCACHEPREFIX="$ROOT/.dev/pycache"

say() {
    printf '%s\n' "$*"
}

# A heading; bold on a terminal.
heading() {
    if [ -t 1 ]; then printf '\033[1m== %s\033[0m\n' "$*"; else printf '== %s\n' "$*"; fi
}

die() {
    printf './dev: %s\n' "$*" >&2
    exit 1
}

# Whoever the tree belongs to can go on with what root made in it.
give_to_owner() {
    local made
    [ "$(id -u)" -eq 0 ] && [ "$(stat -c %u "$ROOT")" -ne 0 ] || return 0
    for made in "$BUILD" "$ROOT/.dev"; do
        [ ! -e "$made" ] || chown -Rh --from=0 "$(stat -c %u:%g "$ROOT")" "$made"
    done
}
trap give_to_owner EXIT

# from_caller PATH: what a path means in the folder that ./dev was called from.
from_caller() {
    case "$1" in
        /*) say "$1" ;;
        *) say "$CALLER/$1" ;;
    esac
}

# check_go FOLDER: whether the go command is one that the module there can be built with; says what is wrong.
check_go() {
    local needed found
    needed="$(sed -n 's/^go //p' "$1/go.mod")"
    command -v go >/dev/null || { say "there is no go command; install Go $needed or later" && return 1; }
    # In the module's folder, where it may be a toolchain that go has fetched.
    found="$(cd "$1" && go env GOVERSION)" || found=""
    if [ "$(printf '%s\n' "$needed" "${found#go}" | sort -V | head -n 1)" != "$needed" ]; then
        say "$(command -v go) is ${found:-none that works here}; $1 needs Go $needed or later: put a newer one before it on the path"
        return 1
    fi
}

# need COMMAND: source another subcommand and run it with no arguments.
need() {
    source "tools/dev/$1.sh"
    "dev_$1"
}

jobs_count() {
    nproc 2>/dev/null || echo 2
}

# quietly LOG COMMAND...: run with the output in build/logs/LOG.log, shown only when the command fails.
quietly() {
    local log="$LOGS/$1.log"
    shift
    mkdir -p "$LOGS"
    if ! "$@" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        printf './dev: failed: %s (the whole output is in %s)\n' "$*" "${log#"$ROOT"/}" >&2
        return 1
    fi
}
