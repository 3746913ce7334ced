# SPDX-License-Identifier: Apache-2.0
# ./dev demo: the replay program on a ledger-like workload, then the same workload and store from Python and from Go.

source tools/dev/bindings.sh

DEMO="$BUILD/demo"
DEMO_REQUESTS=1000000

demo_replay() {
    heading "C: $DEMO_REQUESTS requests of a ledger node, at five memory limits and with three policies"
    MEMSTORE_PYTHON="$VENV/bin/python" "$BUILD/benchmarks/replay" --generate ledger --requests "$DEMO_REQUESTS" \
        --budget 1%,2%,5%,10%,20% --eviction adaptive,s3fifo,lru --svg "$DEMO/miss-ratios.svg"
    say "The miss-ratio curve is in ${DEMO#"$ROOT"/}/miss-ratios.svg"
}

demo_workload() {
    "$BUILD/benchmarks/ledger_write" --format trace --requests "$DEMO_REQUESTS" "$DEMO/ledger.mst"
}

dev_demo() {
    [ $# -eq 0 ] || die "usage: ./dev demo"
    need setup
    say "building ..."
    build_stage
    quietly build-python build_python
    mkdir -p "$DEMO"

    demo_replay
    quietly demo-workload demo_workload
    heading "Python: the same requests, through the package in .dev/venv"
    "$VENV/bin/python" bindings/python/examples/demo.py "$DEMO/ledger.mst"
    heading "Go: the same requests, through github.com/weisyn/memstore/bindings/go"
    go_here run ./examples/demo "$DEMO/ledger.mst"
}
