# SPDX-License-Identifier: Apache-2.0
# ./dev bench: every benchmark, by benchmarks/run.py, which writes benchmarks/results/<date>-<host>.md, and the Go binding's,
# which are added to that page. Arguments (--only NAME, --traces FOLDER) are run.py's; the Go part is left out then.

source tools/dev/bindings.sh

bench_go() {
    local arguments=(test -run '^$' -bench . -benchtime 500000x .) page
    page="benchmarks/results/$(date -u +%F)-$(uname -n).md"
    heading "Go binding"
    go_here "${arguments[@]}" | tee "$BUILD/bench-go.txt"
    {
        printf '\n## Go binding\n\nOne crossing into C for each operation.\n\n'
        printf '    (cd bindings/go && go %s)\n\n```\n' "${arguments[*]@Q}"
        cat "$BUILD/bench-go.txt"
        printf '```\n'
    } >>"$page"
}

dev_bench() {
    need setup
    say "building ..."
    build_stage
    (cd "$CALLER" && MEMSTORE_PYTHON="$VENV/bin/python" "$VENV/bin/python" "$ROOT/benchmarks/run.py" "$@")
    [ $# -gt 0 ] || bench_go
}
