# SPDX-License-Identifier: Apache-2.0
# The language bindings, built from this tree: Python into .dev/venv, Go against build/stage.

source tools/dev/build.sh

# The wheel is built without isolation, with the tools that are in .dev/venv already, in a folder that is kept.
build_python() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall \
        --config-settings=build-dir="$BUILD/python" .
}

# The Python package with a clock that tests set, into build/python-clock/package. It is about what is done, not how fast.
build_python_clock() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check --no-build-isolation --no-deps --upgrade \
        --target "$BUILD/python-clock/package" --config-settings=build-dir="$BUILD/python-clock/build" \
        --config-settings=setup-args=-Dpython_clock=true --config-settings=setup-args=-Doptimization=1 .
}

# The distributions of the Python package, into build/dist: the source, and a wheel that brings along the libraries it needs.
build_dist() {
    rm -rf "$BUILD/dist" "$BUILD/dist-raw" && mkdir -p "$BUILD/dist" &&
        "$VENV/bin/python" -m build --sdist --no-isolation --outdir "$BUILD/dist" . &&
        "$VENV/bin/python" -m pip wheel --disable-pip-version-check --no-build-isolation --no-deps \
            --config-settings=build-dir="$BUILD/python" --wheel-dir "$BUILD/dist-raw" . &&
        "$VENV/bin/python" -m auditwheel repair --wheel-dir "$BUILD/dist" "$BUILD"/dist-raw/*.whl
}

# fetch_tests NAME PATTERN: the tests that a framework's source distribution has, into .dev/NAME-VERSION; where they cannot be
# had, what runs them is skipped.
fetch_tests() {
    local name="$1" pattern="$2" version folder
    version="$("$VENV/bin/python" -c 'import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))' "$name")" || return
    folder="$ROOT/.dev/$name-$version"
    [ -d "$folder/tests" ] && return
    rm -rf "$folder.part" && mkdir -p "$folder.part" &&
        "$VENV/bin/python" -m pip download --disable-pip-version-check --no-deps --no-binary "$name" \
            --dest "$folder.part" "$name==$version" &&
        tar -xzf "$folder.part"/*.tar.gz -C "$folder.part" --strip-components=1 --wildcards "$pattern" &&
        rm -f "$folder.part"/*.tar.gz && rm -rf "$folder" && mv "$folder.part" "$folder"
}

# go_in FOLDER COMMAND...: run the go command there, with the library that build_stage installed.
go_in() {
    check_go "$1" || return
    (cd "$1" && shift && PKG_CONFIG_PATH="$STAGE/lib/pkgconfig" CGO_ENABLED=1 go "$@")
}

# go_here COMMAND...: the same in the binding's folder.
go_here() {
    go_in bindings/go "$@"
}
