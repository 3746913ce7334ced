# SPDX-License-Identifier: Apache-2.0
# ./dev test: every suite, each with its log under build/logs, and one closing line over all of them.

source tools/dev/bindings.sh
source tools/dev/swig.sh

# Put before the test runner by a suite that needs it.
LAUNCHER=()

# A line for each suite, PASSED FAILED SKIPPED, also of those that run beside others.
TOTALS="$LOGS/totals"

# record NAME FORMAT EXIT_CODE RESULTS SECONDS: add a suite's results to the totals and show them.
record() {
    local name="$1" counted passed failed skipped
    counted="$(python3 tools/count-results.py "$2" "$3" "$4")"
    read -r passed failed skipped <<<"$(head -n 1 <<<"$counted")"
    say "$passed $failed $skipped" >>"$TOTALS"

    printf '%-24s %5d passed, %d failed' "$name" "$passed" "$failed"
    [ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
    printf '   (%d s)\n' "$5"
    if [ "$failed" -ne 0 ]; then
        tail -n +2 <<<"$counted" | sed 's/^/    /'
        say "    the whole output is in build/logs/test-$name.log"
    fi
}

# suite NAME FORMAT RESULTS COMMAND...: run a command that writes RESULTS, and record them.
suite() {
    local name="$1" format="$2" results="$3" code=0 started=$SECONDS
    shift 3
    rm -f "$results"
    "$@" >"$LOGS/test-$name.log" 2>&1 </dev/null || code=$?
    record "$name" "$format" "$code" "$results" $((SECONDS - started))
}

# meson_suite NAME FOLDER ARGUMENT...: tests of a build folder.
meson_suite() {
    local name="$1" folder="$2"
    shift 2
    suite "$name" meson "$folder/meson-logs/$name.json" \
        "${LAUNCHER[@]}" meson test -C "$folder" --no-rebuild --num-processes "$(jobs_count)" --print-errorlogs --logbase "$name" "$@"
}

# prepared NAME COMMAND...: what suites need; when it fails, that is one failed test, and they are not run.
prepared() {
    local name="$1" started=$SECONDS
    shift
    if "$@" >"$LOGS/test-$name.log" 2>&1 </dev/null; then
        return 0
    fi
    record "$name" meson 1 /dev/null $((SECONDS - started))
    tail -n 40 "$LOGS/test-$name.log" | sed 's/^/    | /'
    return 1
}

# ---- Lanes: suites beside others, which wait or have one thread much of the time ----

declare -A LANES=()

# lane NAME FUNCTION: run the suites of a function from now on.
lane() {
    # With a process group of its own, so that all of it can be ended.
    set -m
    "$2" >"$LOGS/test-lane-$1.log" 2>&1 </dev/null &
    set +m
    LANES[$1]=$!
}

end_lanes() {
    local group
    for group in "${LANES[@]}"; do
        kill -- "-$group" 2>/dev/null || : # it has ended
    done
    wait
}

# join_lane NAME: wait for its end, and show what its suites gave.
join_lane() {
    local code=0
    wait "${LANES[$1]}" || code=$?
    unset "LANES[$1]"
    cat "$LOGS/test-lane-$1.log"
    # Suites that fail are recorded; this is a lane that broke off.
    [ "$code" -eq 0 ] || record "lane-$1" meson "$code" /dev/null 0
}

# ---- The C library ----

# What a program of threads that compete gets at least, for which nothing runs beside it; --long gives more.
COMPETING_SECONDS="${MEMSTORE_TEST_SECONDS:-1}"

test_release() {
    meson_suite release "$BUILD" --no-suite concurrency
}

test_concurrency() {
    MEMSTORE_TEST_SECONDS="$COMPETING_SECONDS" meson_suite concurrency "$BUILD" --suite concurrency
}

# What --long adds: what saves and loads snapshots, in a library that was built without libzstd.
build_no_zstd() {
    configure "$BUILD/no-zstd" --buildtype=release -Doptimization=2 -Dzstd=disabled -Dbenchmarks=false -Dexamples=false &&
        compile "$BUILD/no-zstd" tests/unit_snapshot tests/snapshot_failure
}

test_no_zstd() {
    prepared no-zstd-build build_no_zstd || return 0
    meson_suite no-zstd "$BUILD/no-zstd" unit_snapshot snapshot_failure
}

# Views that outlive what happens to their entries, readers past their segments' reuse, and closing.
ASAN_THREADS=(held_views stress_views stress_close stress_growth stress_history stress_lifetime stress_async)

# configure_sanitized FOLDER SANITIZERS: reports tell functions and lines, for which -g1 is enough.
configure_sanitized() {
    configure "$1" --buildtype=debug -Doptimization=1 -Dc_args=-g1 "-Db_sanitize=$2" -Dbenchmarks=false -Dexamples=false
}

build_asan() {
    # Without the library as it is shipped, whose sources are those of the tested one.
    configure_sanitized "$BUILD/asan" address,undefined && compile "$BUILD/asan" engine-programs "${ASAN_THREADS[@]/#/tests/}"
}

test_asan() {
    meson_suite asan "$BUILD/asan" --timeout-multiplier 2 --no-suite concurrency --no-suite abi --no-suite lint
}

test_asan_threads() {
    MEMSTORE_TEST_SECONDS="$COMPETING_SECONDS" meson_suite asan-threads "$BUILD/asan" --timeout-multiplier 2 "${ASAN_THREADS[@]}"
}

build_tsan() {
    # Criterion does not run under ThreadSanitizer, so only the plain programs of this suite are built.
    configure_sanitized "$BUILD/tsan" thread && compile "$BUILD/tsan" concurrency-programs
}

# tsan_suite NAME ARGUMENT...: tests of the build with ThreadSanitizer.
tsan_suite() {
    local name="$1"
    shift
    # ThreadSanitizer of gcc 12 cannot place its shadow memory under the address randomisation of newer kernels.
    local LAUNCHER=()
    setarch -R true 2>/dev/null && LAUNCHER=(setarch -R)
    meson_suite "$name" "$BUILD/tsan" "$@"
}

test_tsan() {
    MEMSTORE_TEST_SECONDS="$COMPETING_SECONDS" tsan_suite tsan --timeout-multiplier 2 --suite concurrency
}

# Programs of a folder of tests/ that run for as long as they are told: by MEMSTORE_TEST_SECONDS.
timed_programs() {
    grep -l '^int main' $(grep -l test_seconds "tests/$1"/*.c) | xargs -n 1 basename -s .c
}

# What --long adds: the stress programs for an hour in all, each for the same time with and without ThreadSanitizer, the
# explorer's for as long; and the random suites with many more seeds.
test_long() {
    local total="${MEMSTORE_LONG_SECONDS:-3600}" stress explore each
    mapfile -t stress < <(timed_programs concurrency)
    mapfile -t explore < <(timed_programs explore)
    each=$((total / (2 * ${#stress[@]} + ${#explore[@]})))
    [ "$each" -ge 1 ] || each=1
    say "stress: $each s for each program, $((each * (2 * ${#stress[@]} + ${#explore[@]}))) s in all"
    MEMSTORE_TEST_SECONDS=$each meson_suite long-stress "$BUILD" --timeout-multiplier 20 "${stress[@]}" "${explore[@]}"
    MEMSTORE_TEST_SECONDS=$each tsan_suite long-stress-tsan --timeout-multiplier 20 "${stress[@]}"
    meson_suite long-model "$BUILD" --timeout-multiplier 20 --suite model --test-args='--seeds 20000'
    meson_suite long-fuzz "$BUILD" --timeout-multiplier 20 --suite fuzz --test-args=-runs=500000
    meson_suite long-fuzz-asan "$BUILD/asan" --timeout-multiplier 20 --suite fuzz --test-args=-runs=50000
    # The shared library, too.
    ! prepared long-asan-build compile "$BUILD/asan" || meson_suite long-abi-asan "$BUILD/asan" --timeout-multiplier 2 --suite abi
}

# ---- What is installed, and the bindings against it ----

# Reports by TAP are read from where the command wrote them, which is also its log.
tap_suite() {
    local name="$1"
    shift
    suite "$name" tap "$LOGS/test-$name.log" "$@"
}

test_python() {
    prepared python-build build_python || return 0
    quietly fetch-django-tests fetch_tests Django '*/tests/cache/*' || say "python: Django's own tests cannot be had, and are skipped"
    quietly fetch-flask-caching-tests fetch_tests Flask-Caching '*/tests/*' || say "python: Flask-Caching's own tests cannot be had, and are skipped"
    quietly fetch-aiocache-tests fetch_tests aiocache '*/tests/*' || say "python: aiocache's own tests cannot be had, and are skipped"
    # Files take turns in as many processes as there are processors, and one more, since some wait most of the time.
    suite python junit "$LOGS/python.xml" timeout --foreground --kill-after=10 1800 \
        "$VENV/bin/python" -m pytest -q -p no:cacheprovider -n "$(($(jobs_count) + 1))" --dist loadfile --junit-xml="$LOGS/python.xml" bindings/python/tests
    python_clock python-clock
}

# Any operations at any time, in the package with a clock that tests set.
python_clock() {
    prepared python-clock-build build_python_clock || return 0
    PYTHONPATH="$BUILD/python-clock/package" suite "$1" junit "$LOGS/$1.xml" \
        "$VENV/bin/python" -m pytest -q -p no:cacheprovider --junit-xml="$LOGS/$1.xml" bindings/python/tests/test_clock.py
}

# What --long adds: more than 10 million calls that must leave no byte behind, and the random tests with other seeds.
test_python_long() {
    MEMSTORE_CLOCK_EXAMPLES=3000 python_clock python-clock-long
    MEMSTORE_LEAK_CALLS=10000000 suite python-long junit "$LOGS/python-long.xml" \
        "$VENV/bin/python" -m pytest -q -p no:cacheprovider --junit-xml="$LOGS/python-long.xml" \
        bindings/python/tests/test_leaks.py bindings/python/tests/test_model.py bindings/python/tests/test_properties.py
}

# With --long: --build-from-source.
WHEEL_OPTIONS=()

# The wheel and the source distribution, in environments that have nothing else.
test_wheel() {
    prepared wheel-build build_dist || return 0
    tap_suite wheel "$VENV/bin/python" tools/check-wheel.py "${WHEEL_OPTIONS[@]}" "$BUILD/dist"
}

# go_suite NAME FOLDER ARGUMENT...: the tests of a Go module.
go_suite() {
    local name="$1" folder="$2"
    shift 2
    suite "$name" go "$LOGS/test-$name.log" go_in "$folder" test -json "$@" ./...
}

# The folders of all Go modules.
go_modules() {
    find bindings/go examples -name go.mod -printf '%h\n' | sort
}

# `go test` runs a few of vet's checks; these are all, of all packages and their tests. One result a module, by TAP.
vet_go() {
    local module modules failed=0
    mapfile -t modules < <(go_modules)
    say "TAP version 13"
    say "1..${#modules[@]}"
    for module in "${modules[@]}"; do
        if go_in "$module" vet ./...; then
            say "ok - $module"
        else
            say "not ok - $module"
            failed=1
        fi
    done
    return "$failed"
}

# fuzz_go CALLS ARGUMENT...: call each fuzz target as often with inputs that are mutated, in a test program that is built
# with these arguments of `go test`. What fails is kept in testdata/fuzz of the package, where `go test` finds it again.
# Calls are counted: Go before 1.27 takes the end of a time for a failure now and then (https://go.dev/issue/75804).
fuzz_go() {
    local calls="$1" program="$BUILD/go-fuzz.test" target targets failed=0
    shift
    go_here test -c -o "$program" "$@" . || return
    mapfile -t targets < <(cd bindings/go && "$program" -test.list Fuzz)
    say "TAP version 13"
    say "1..${#targets[@]}"
    for target in "${targets[@]}"; do
        if (cd bindings/go && "$program" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "${calls}x" \
            -test.fuzzcachedir "$BUILD/go-fuzz"); then
            say "ok - $target"
        else
            say "not ok - $target"
            failed=1
        fi
    done
    return "$failed"
}

test_go() {
    tap_suite go-vet vet_go
    # -count=1, since the library is no input that Go knows of.
    go_suite go bindings/go -count=1
    go_suite go-race bindings/go -count=1 -race
    # Pointers to Go memory that C must not keep; the experiment builds the standard library anew, once.
    GOEXPERIMENT=cgocheck2 go_suite go-cgocheck bindings/go -count=1
    # Without coverage, which would have the standard library built once more.
    tap_suite go-fuzz fuzz_go 3000
    tap_suite go-builds tools/check-go-builds.sh "$STAGE"
    # Each a module for its dependencies: what serves other programs' interfaces or stands in for their caches, a service,
    # and what compares the binding with checkers and packages.
    local module
    for module in $(go_modules); do
        [ "$module" = bindings/go ] || go_suite "go-$(basename "$module")" "$module" -count=1 -race
    done
}

# What --long adds: each fuzz target for a minute or some, led by what the Go code does with an input.
test_go_long() {
    tap_suite go-long-fuzz fuzz_go 100000 -fuzz .
}

test_go_lane() {
    tap_suite install python3 tools/check-install.py "$STAGE"
    test_go
}

test_python_lane() {
    tap_suite generated check_generated_tap
    test_python
    test_wheel
}

# What --long adds, one after the other: times are given to programs that have the machine for themselves.
test_all_long() {
    test_long
    test_no_zstd
    test_go_long
    test_python_long
}

dev_test() {
    local started=$SECONDS long=false asan=false tsan=false passed failed skipped
    case "${1:-}" in
        --long) long=true WHEEL_OPTIONS=(--build-from-source) ;;
        "") ;;
        *) die "usage: ./dev test [--long]" ;;
    esac
    need setup
    mkdir -p "$LOGS"
    : >"$TOTALS"

    if prepared release-build build_main && prepared stage build_stage; then
        # However this ends.
        trap 'end_lanes; give_to_owner' EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        lane go test_go_lane
        lane python test_python_lane
        test_release
        ! prepared asan-build build_asan || asan=true
        [ "$asan" = false ] || test_asan
        ! prepared tsan-build build_tsan || tsan=true
        join_lane go
        join_lane python
        # Nothing runs beside these.
        test_concurrency
        [ "$asan" = false ] || test_asan_threads
        [ "$tsan" = false ] || test_tsan
        [ "$long" = false ] || test_all_long
    fi

    read -r passed failed skipped <<<"$(awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$TOTALS")"
    say ""
    say "$((SECONDS - started)) s; the logs are under build/logs"
    [ "$skipped" -eq 0 ] || say "$skipped skipped"
    say "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
