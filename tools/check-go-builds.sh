#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every way to build a Go program with memstore, with what it then needs to run; prints TAP.
# usage: tools/check-go-builds.sh STAGE, where STAGE is a prefix that the library is installed in
set -uo pipefail

stage="$(cd "$1" && pwd)"
module="$(cd "$(dirname "$0")/../bindings/go" && pwd)"
work="$(mktemp -d)"
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
failed=0

# check NAME COMMAND...: one test.
check() {
    local name="$1" output
    shift
    if output="$("$@" 2>&1)"; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        sed 's/^/# /' <<<"$output"
        failed=1
    fi
}

# A program of somebody else's, in a module of its own, that uses a copy of the module by a replace directive.
make_program() {
    cp -a "$module" "$work/module"
    mkdir "$work/program"
    cat >"$work/program/go.mod" <<'END'
module example.com/program

go 1.24

require github.com/weisyn/memstore/bindings/go v0.0.0

replace github.com/weisyn/memstore/bindings/go => ../module
END
    cat >"$work/program/main.go" <<'END'
package main

import (
	"context"
	"fmt"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func main() {
	store, err := memstore.Open(memstore.Config{})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	err = store.Set(context.Background(), "key", []byte("value"), 0)
	value, _, _ := store.Get(context.Background(), "key")
	fmt.Println(string(value), err)
}
END
}

# build NAME PKG_CONFIG_PATH ARGUMENT...: build the program and run it.
build() {
    local name="$1" path="$2"
    shift 2
    (cd "$work/program" && PKG_CONFIG_PATH="$path" CGO_ENABLED=1 go build -o "$work/$name" "$@" .) &&
        [ "$("$work/$name")" = "value <nil>" ]
}

# needs NAME LIBRARY: whether a program needs a shared library.
needs() {
    local libraries
    libraries="$(ldd "$work/$1")" && grep -q "$2" <<<"$libraries"
}

shared() {
    build shared "$stage/lib/pkgconfig" && needs shared libmemstore
}

static() {
    build static "$stage/lib/pkgconfig" -tags memstore_static && ! needs static 'memstore\|urcu\|yaml'
}

wholly_static() {
    build wholly "$stage/lib/pkgconfig" -tags memstore_static -ldflags '-linkmode external -extldflags -static' &&
        ! ldd "$work/wholly"
}

vendored() {
    build vendored "" -tags memstore_vendored && ! needs vendored memstore
}

vendor_folder() {
    (cd "$work/program" && go mod vendor) && build folder "" -mod=vendor -tags memstore_vendored &&
        rm -rf "$work/program/vendor"
}

without_cgo() {
    local output
    output="$(cd "$work/program" && CGO_ENABLED=0 go build -o "$work/none" . 2>&1)" && return 1
    echo "$output"
    [ "$(grep -c . <<<"$output")" -eq 2 ] && grep -q 'memstore_needs_cgo__install_a_C_compiler' <<<"$output"
}

echo "TAP version 13"
echo "1..6"
make_program
check "with the shared library by pkg-config" shared
check "memstore_static: no library of the project's or below it is needed to run" static
check "memstore_static and -extldflags -static: no shared library at all" wholly_static
check "memstore_vendored: out of the module alone, with no library installed" vendored
check "memstore_vendored out of a vendor folder" vendor_folder
check "without cgo one line says what to do" without_cgo
exit "$failed"
