# SPDX-License-Identifier: Apache-2.0
# ./dev swig: the generated sources of the bindings. They are committed, so that building a binding needs no SWIG. With
# them the library in one file, for Go programs that are built without an installed one.

VENDORED=bindings/go/internal/vendored

# check_generated LANGUAGE: generate into a copy of the tree and compare; prints the difference.
check_generated() {
    local copy="$BUILD/swig-check/$1"
    rm -rf "$copy"
    mkdir -p "$copy/tools"
    cp -a include bindings "$copy/"
    cp tools/swig-generate.sh "$copy/tools/"
    sh "$copy/tools/swig-generate.sh" "$1" && diff -r -u -x __pycache__ bindings "$copy/bindings"
}

# compile_vendored FOLDER: names of two files that meet in the one are a compiler's errors; rather here than in a Go build.
compile_vendored() {
    # shellcheck disable=SC2046 # flags are words
    cc -fsyntax-only -Wall -Werror -std=gnu11 -D_GNU_SOURCE -DNDEBUG "-I$1" $(pkg-config --cflags liburcu-bp yaml-0.1 libxxhash) \
        "$1/memstore.c"
}

# check_vendored: the same for the library in one file, which compiles.
check_vendored() {
    local copy="$BUILD/swig-check/vendored"
    rm -rf "$copy"
    python3 tools/amalgamate.py . "$copy" && diff -u "$VENDORED/memstore.c" "$copy/memstore.c" &&
        diff -r -u -x '*.go' "$VENDORED/memstore" "$copy/memstore" && compile_vendored "$VENDORED"
}

# For the tests: one result for each language, by TAP.
check_generated_tap() {
    local language output failed=0
    say "TAP version 13"
    say "1..3"
    for language in go python; do
        if output="$(check_generated "$language" 2>&1)"; then
            say "ok - the generated $language sources are what SWIG makes of the interface"
        else
            say "not ok - the generated $language sources are what SWIG makes of the interface; run ./dev swig"
            sed 's/^/# /' <<<"$output"
            failed=1
        fi
    done
    if output="$(check_vendored 2>&1)"; then
        say "ok - the library in one file is what lib/ and include/ are now"
    else
        say "not ok - the library in one file is what lib/ and include/ are now; run ./dev swig"
        head -n 40 <<<"$output" | sed 's/^/# /'
        failed=1
    fi
    return "$failed"
}

dev_swig() {
    need setup
    case "${1:-}" in
        --check) check_generated go && check_generated python && check_vendored && say "the generated sources are up to date" ;;
        "")
            sh tools/swig-generate.sh
            python3 tools/amalgamate.py . "$VENDORED" && compile_vendored "$VENDORED"
            ;;
        *) die "usage: ./dev swig [--check]" ;;
    esac
}
