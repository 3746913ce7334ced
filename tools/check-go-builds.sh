#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every way to build a Go program with memstore, with what it then needs to run; prints TAP.
# usage: tools/check-go-builds.sh STAGE, where STAGE is a prefix that the library is installed in
set -uo pipefail

stage="$(cd "$1" && pwd)"
module="$(cd "$(dirname "$0")/../bindings/go" && pwd)"
work="$(mktemp -d)"
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# check NAME COMMAND...: one test.
check() {
    local name="$1" output
    shift
    if output="$("$@" 2>&1)"; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        sed 's/^/# /' <<<"$output"
    fi
}

# lane NAME FUNCTION: checks beside those of other lanes. Most of the time one C source is compiled, by one processor.
lane() {
    "$2" >"$work/$1.tap" &
}

# A program of somebody else's, in a module of its own, that uses a copy of the module by a replace directive.
make_program() {
    mkdir -p "$work/tree/bindings" && cp -a "$module" "$work/tree/bindings/go" && ln -s "$module/../../examples" "$work/tree/"
    mkdir "$work/program"
    cat >"$work/program/go.mod" <<'END'
module example.com/program

go 1.24

require github.com/weisyn/memstore/bindings/go v0.0.0

replace github.com/weisyn/memstore/bindings/go => ../tree/bindings/go
END
    cat >"$work/program/main.go" <<'END'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func main() {
	store, err := memstore.Open(memstore.Config{SnapshotCompression: "zstd"})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	err = store.Set(context.Background(), "key", []byte("value"), 0)
	value, _, _ := store.Get(context.Background(), "key")
	if len(os.Args) == 2 {
		err = store.Save(context.Background(), os.Args[1])
	}
	fmt.Println(string(value), err, errors.Is(err, memstore.ErrUnsupported))
}
END
}

# build_in FOLDER NAME PKG_CONFIG_PATH ARGUMENT...: build the program in a folder and run it.
build_in() {
    local folder="$1" name="$2" path="$3"
    shift 3
    (cd "$folder" && PKG_CONFIG_PATH="$path" CGO_ENABLED=1 go build -o "$work/$name" "$@" .) &&
        [ "$("$work/$name")" = "value <nil> false" ]
}

# build NAME PKG_CONFIG_PATH ARGUMENT...: the same where it is.
build() {
    build_in "$work/program" "$@"
}

# What a musl system has of the libraries below: their headers, without glibc's, and static archives. Debian's archives will
# do: they ask for nothing that musl lacks but glibc's checking printf functions, which are given to them.
make_musl() {
    local system archives name
    system="/usr/include/$(gcc -print-multiarch)"
    archives="$(pkg-config --variable=libdir liburcu-bp)"
    mkdir -p "$work/musl/include" "$work/musl/lib/pkgconfig" || return
    for name in "$system"/urcu* /usr/include/urcu* /usr/include/{yaml.h,xxhash.h,linux,asm-generic} "$system/asm"; do
        [ ! -e "$name" ] || ln -s "$name" "$work/musl/include/" || return
    done
    ln -s "$archives"/lib{urcu-bp,urcu-common,yaml,xxhash}.a "$work/musl/lib/"
    cat >"$work/musl/checks.c" <<'END'
#include <stdarg.h>
#include <stdio.h>

int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)flag;
    const int written = vfprintf(file, format, values);
    va_end(values);
    return written;
}

int __sprintf_chk(char *text, int flag, size_t size, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)flag;
    const int written = vsnprintf(text, size, format, values);
    va_end(values);
    return written;
}
END
    musl-gcc -O2 -c "$work/musl/checks.c" -o "$work/musl/lib/checks.o" || return
    for name in liburcu-bp:urcu-bp:-lurcu-common yaml-0.1:yaml: libxxhash:xxhash:; do
        IFS=: read -r name library more <<<"$name"
        printf 'Name: %s\nDescription: for musl\nVersion: 1\nCflags: -I%s\nLibs: -L%s -l%s %s %s\n' "$name" \
            "$work/musl/include" "$work/musl/lib" "$library" "$more" "$work/musl/lib/checks.o" \
            >"$work/musl/lib/pkgconfig/$name.pc"
    done
}

# needs NAME LIBRARY: whether a program needs a shared library.
needs() {
    local libraries
    libraries="$(ldd "$work/$1")" && grep -q "$2" <<<"$libraries"
}

# compresses NAME: whether a program saves a compressed snapshot.
compresses() {
    [ "$("$work/$1" "$work/$1.snapshot")" = "value <nil> false" ]
}

shared() {
    build shared "$stage/lib/pkgconfig" && needs shared libmemstore
}

static() {
    build static "$stage/lib/pkgconfig" -tags memstore_static && ! needs static 'memstore\|urcu\|yaml\|zstd' &&
        compresses static
}

wholly_static() {
    build wholly "$stage/lib/pkgconfig" -tags memstore_static -ldflags '-linkmode external -extldflags -static' &&
        ! ldd "$work/wholly" && compresses wholly
}

vendored() {
    # Without the names of folders, and so that the next one need not compile the same files in another folder.
    build vendored "" -trimpath -tags memstore_vendored && ! needs vendored 'memstore\|zstd' &&
        grep -q ' true$' <<<"$("$work/vendored" "$work/vendored.snapshot")"
}

# test_copy FLAG...: the tests of the module's copy, of which the program has had the C source compiled.
test_copy() {
    (cd "$work/tree/bindings/go" && CGO_ENABLED=1 go test -count=1 "$@" . -memstore.direct=500000)
}

# compile_by COMPILER: what is compiled for tests alone need not be as fast as it can be, which takes half of the time. The
# module asks for more itself: the last word is had by a compiler that adds it.
compile_by() {
    printf '#!/bin/sh\nexec %s "$@" -O1\n' "$1" >"$work/quick-$1" && chmod +x "$work/quick-$1" && export CC="$work/quick-$1"
}

# The module's tests, too: in this form it is another library, of one file, whose memory the race detector sees in part.
vendored_tests() {
    local flags=(-race -tags memstore_vendored,memstore_zstd)
    compile_by gcc && build zstd "" "${flags[@]}" && compresses zstd && test_copy "${flags[@]}"
}

vendor_folder() {
    local program="$work/folder-program"
    cp -a "$work/program" "$program" && (cd "$program" && go mod vendor) &&
        build_in "$program" folder "" -trimpath -mod=vendor -tags memstore_vendored
}

# A program for musl, of static archives alone, and the tests of the module's copy built in the same way: Go's cache would remember
# of the module itself where these archives were.
musl() {
    local flags=(-tags memstore_vendored -ldflags '-linkmode external -extldflags -static')
    make_musl && compile_by musl-gcc || return
    export PKG_CONFIG_LIBDIR="$work/musl/lib/pkgconfig"
    build musl-program "" "${flags[@]}" && ! ldd "$work/musl-program" && ! grep -aq 'GNU C Library' "$work/musl-program" &&
        test_copy "${flags[@]}"
}

# What processors, systems and releases of Go without a direct reader have.
without_direct() {
    cd "$module" && PKG_CONFIG_PATH="$stage/lib/pkgconfig" CGO_ENABLED=1 go test -count=1 -tags memstore_nodirect -run Direct .
}

without_cgo() {
    local output
    output="$(cd "$work/program" && CGO_ENABLED=0 go build -o "$work/none" . 2>&1)" && return 1
    echo "$output"
    [ "$(grep -c . <<<"$output")" -eq 2 ] && grep -q 'memstore_needs_cgo__install_a_C_compiler' <<<"$output"
}

# get MODULE VERSION: somebody else's module gets one of ours from the proxy, and all that it imports is found. Modules of
# others come out of the cache that there is, or from where they always do; those of ours go into a cache that is thrown away.
get() {
    local module="$1" version="$2" theirs
    theirs="$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)"
    export GOMODCACHE="$work/modules" GOFLAGS=-modcacherw GOPROXY="file://$work/proxy,file://$theirs"
    export GONOSUMDB=github.com/weisyn/memstore GOTOOLCHAIN=local
    mkdir -p "$work/consumers/$module" && cd "$work/consumers/$module" &&
        printf 'module example.com/consumer\n\ngo 1.24\n' >go.mod &&
        printf 'package consumer\n\nimport _ "%s"\n' "$module" >consumer.go &&
        go get "$module@$version" && go list -deps . >dependencies && grep -qx "$module" dependencies
}

# The program with what `go get` brings, and no replace directive.
got_program() {
    local consumer="$work/consumers/github.com/weisyn/memstore/bindings/go"
    cp "$work/program/main.go" "$consumer/consumer.go" && cd "$consumer" &&
        GOMODCACHE="$work/modules" PKG_CONFIG_PATH="$stage/lib/pkgconfig" go build -o "$work/got" . && [ "$("$work/got")" = "value <nil> false" ]
}

modules="$("$module/../../tools/go-proxy.py" "$work/proxy")" || exit

check_modules() {
    local path version
    while read -r path version; do
        check "go get $path@$version" get "$path" "$version"
    done <<<"$modules"
    check "a program of what go get brings" got_program
}

check_links() {
    check "with the shared library by pkg-config" shared
    check "memstore_static: no library of the project's or below it is needed to run" static
    check "memstore_static and -extldflags -static: no shared library at all" wholly_static
    check "memstore_nodirect: every read calls the library" without_direct
    check "without cgo one line says what to do" without_cgo
}

check_vendored() {
    check "memstore_vendored: out of the module alone, with no library installed" vendored
    check "memstore_vendored out of a vendor folder" vendor_folder
}

check_vendored_tests() {
    check "memstore_vendored,memstore_zstd: compressed snapshots, and all tests" vendored_tests
}

check_musl() {
    if command -v musl-gcc >/dev/null; then
        check "CC=musl-gcc: a program without glibc, and all tests" musl
    else
        echo "ok - CC=musl-gcc # SKIP musl-gcc is not installed"
    fi
}

make_program
lane vendored check_vendored
lane vendored-tests check_vendored_tests
lane musl check_musl
check_modules >"$work/modules.tap"
check_links >"$work/links.tap"
wait

echo "TAP version 13"
echo "1..$((10 + $(wc -l <<<"$modules")))"
cat "$work"/{modules,links,vendored,vendored-tests,musl}.tap
! grep -q '^not ok' "$work"/*.tap
