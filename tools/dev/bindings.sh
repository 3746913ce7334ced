# SPDX-License-Identifier: Apache-2.0
# The language bindings, built from this tree: Python into .dev/venv, Go against build/stage.

source tools/dev/build.sh

# The wheel is built without isolation, with the tools that are in .dev/venv already, in a folder that is kept.
build_python() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall \
        --config-settings=build-dir="$BUILD/python" .
}

# go_in FOLDER COMMAND...: run the go command there, with the library that build_stage installed.
go_in() {
    command -v go >/dev/null || { say "there is no go command; install Go 1.24 or later" && return 1; }
    (cd "$1" && shift && PKG_CONFIG_PATH="$STAGE/lib/pkgconfig" CGO_ENABLED=1 go "$@")
}

# go_here COMMAND...: the same in the binding's folder.
go_here() {
    go_in bindings/go "$@"
}
