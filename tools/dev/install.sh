# SPDX-License-Identifier: Apache-2.0
# ./dev install PREFIX: the library, its headers, memstore.pc and the CMake package, and nothing else.

source tools/dev/build.sh

# can_write PREFIX: whether this user can make what is installed there, by the nearest folders that exist.
can_write() {
    local folder
    for folder in include/memstore lib lib/pkgconfig lib/cmake/memstore; do
        folder="$1/$folder"
        while [ ! -e "$folder" ]; do
            folder="$(dirname "$folder")"
        done
        [ -w "$folder" ] || return
    done
}

dev_install() {
    [ $# -eq 1 ] && [ -n "$1" ] || die "usage: ./dev install PREFIX"
    local prefix sudo=() status=0
    prefix="$(realpath -m "$(from_caller "$1")")"
    if ! can_write "$prefix"; then
        command -v sudo >/dev/null || die "$prefix is not yours to write; choose another PREFIX, or run this as root"
        sudo=(sudo)
    fi
    need setup
    # A build of its own, because the prefix is written into memstore.pc.
    configure "$BUILD/install" --buildtype=release -Doptimization=2 -Dtests=false -Dbenchmarks=false -Dexamples=false \
        --libdir=lib --prefix="$prefix"
    compile "$BUILD/install"
    # Only the copy is root's, and none of what it leaves behind.
    quietly install "${sudo[@]}" env "PATH=$PATH" PYTHONDONTWRITEBYTECODE=1 meson install -C "$BUILD/install" --no-rebuild || status=$?
    [ ${#sudo[@]} -eq 0 ] || sudo chown -R "$(id -u):$(id -g)" "$BUILD/install/meson-logs"
    [ "$status" -eq 0 ] || return "$status"
    case "$prefix" in
        # What is in the loader's own folders it finds by a list, and memstore.pc has no path for it.
        /usr | /usr/local)
            quietly ldconfig "${sudo[@]}" /sbin/ldconfig || say "install: run /sbin/ldconfig as root before a program that uses it"
            ;;
    esac
    say "installed under $prefix"
    say "  C:   cc program.c \$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs memstore)"
    say "  Go:  PKG_CONFIG_PATH=$prefix/lib/pkgconfig go build ./..."
}
