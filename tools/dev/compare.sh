# SPDX-License-Identifier: Apache-2.0
# ./dev compare REVISION [REVISION] [-- OPTION...]: is the second faster than the first, or is it noise? Without a second one the
# tree as it is. Options are those of build/benchmarks/compare.

source tools/dev/build.sh

# library_of REVISION: build it under build/compare/<commit> and print where the library is.
library_of() {
    local commit folder
    commit="$(git rev-parse --verify --quiet "$1^{commit}")" || die "there is no revision '$1'"
    folder="$BUILD/compare/$commit"
    if [ ! -d "$folder/tree" ]; then
        # Under another name until it is whole.
        rm -rf "$folder/tree.part" && mkdir -p "$folder/tree.part" &&
            git archive "$commit" | tar -x -C "$folder/tree.part" && mv "$folder/tree.part" "$folder/tree" ||
            die "the sources of $1 cannot be put under ${folder#"$ROOT"/}"
    fi
    (
        cd "$folder/tree"
        configure "$folder/build" --buildtype=release -Doptimization=2 -Ddebug=true -Dtests=false -Dbenchmarks=false \
            -Dexamples=false
        compile "$folder/build"
    ) || return
    realpath "$folder/build/lib/libmemstore.so.0"
}

dev_compare() {
    local revisions=() old new
    while [ $# -gt 0 ] && [ "$1" != "--" ]; do
        revisions+=("$1")
        shift
    done
    [ $# -eq 0 ] || shift
    case ${#revisions[@]} in
        1 | 2) ;;
        *) die "usage: ./dev compare REVISION [REVISION] [-- OPTION...]" ;;
    esac
    need setup
    build_main
    old="$(library_of "${revisions[0]}")"
    if [ ${#revisions[@]} -eq 2 ]; then
        new="$(library_of "${revisions[1]}")"
    else
        new="$(realpath "$BUILD/lib/libmemstore.so.0")"
    fi
    # One commit against itself, or against a tree without changes: a copy, or both would be one library.
    if [ "$old" = "$new" ]; then
        cp "$new" "$BUILD/compare/copy.so"
        new="$BUILD/compare/copy.so"
    fi
    (cd "$CALLER" && "$BUILD/benchmarks/compare" "$@" "$old" "$new")
}
