# SPDX-License-Identifier: Apache-2.0
# ./dev install PREFIX: the library, its headers, memstore.pc and the CMake package, and nothing else.

source tools/dev/build.sh

dev_install() {
    [ $# -eq 1 ] || die "usage: ./dev install PREFIX"
    need setup
    local prefix
    prefix="$(realpath -m "$1")"
    # A build of its own, because the prefix is written into memstore.pc.
    configure "$BUILD/install" --buildtype=release -Doptimization=2 -Dtests=false -Dbenchmarks=false -Dexamples=false \
        --libdir=lib --prefix="$prefix"
    compile "$BUILD/install"
    quietly install meson install -C "$BUILD/install" --no-rebuild
    say "installed under $prefix"
    say "  C:   cc program.c \$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs memstore)"
    say "  Go:  PKG_CONFIG_PATH=$prefix/lib/pkgconfig go build ./..."
}
