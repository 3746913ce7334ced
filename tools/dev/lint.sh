# SPDX-License-Identifier: Apache-2.0
# ./dev lint: the format of the sources, and those rules of the project that tools can check.

source tools/dev/build.sh

# C sources that people write; what tools write is not among them.
c_sources() {
    find include lib tests benchmarks examples bindings tools \( -name '*.c' -o -name '*.h' \) \
        -not -name '*_wrap.[ch]' -not -path '*/internal/vendored/*' -not -path '*/build/*' -print0
}

lint_c_format() {
    if [ "${1:-}" = --fix ]; then
        c_sources | xargs -0 clang-format -i
    else
        c_sources | xargs -0 clang-format --dry-run --Werror
    fi
}

lint_go_format() {
    command -v gofmt >/dev/null || { say "lint: no gofmt was found" && return 0; }
    local files
    if [ "${1:-}" = --fix ]; then
        gofmt -w bindings/go examples
    else
        files="$(gofmt -l bindings/go examples)"
        [ -z "$files" ] || { say "not in gofmt's format: $files" && return 1; }
    fi
}

lint_shell_syntax() {
    local file
    for file in dev .ci/run tools/dev/*.sh; do
        bash -n "$file" || return
    done
}

lint_symbols() {
    build_main && python3 tools/check-symbols.py "$BUILD/lib/libmemstore.so" lib/memstore.map include/memstore/*.h
}

lint_config_docs() {
    build_main && "$BUILD/tests/config_docs" --check "$ROOT"
}

dev_lint() {
    local failed=0
    case "${1:-}" in
        --fix | "") ;;
        *) die "usage: ./dev lint [--fix]" ;;
    esac
    need setup
    lint_c_format "$@" || failed=1
    lint_go_format "$@" || failed=1
    lint_shell_syntax || failed=1
    python3 tools/check-layers.py || failed=1
    python3 tools/check-docs.py || failed=1
    python3 tools/check-conformance.py || failed=1
    lint_symbols || failed=1
    lint_config_docs || failed=1
    [ "$failed" -eq 0 ] && say "lint: all is well"
    return "$failed"
}
