# SPDX-License-Identifier: Apache-2.0
# ./dev build: the release build under build/, and the configurations that the tests add to it.

# What decides which files Meson is to compile: their names, and whether they are tests or programs.
source_set() {
    {
        find lib tests benchmarks examples -name '*.c' | sort
        grep -rlE --include='*.c' '^int main' tests benchmarks examples | sort
        grep -rlE --include='*.c' '^ *(Test|ParameterizedTest|Theory) *\(' tests | sort
    } | sha256sum
}

# The functions below are also called where `set -e` does not act (in a condition), so that each hands a failure on itself.

# configure FOLDER OPTION...: set a build folder up, or anew when files were added or removed or the options are others.
configure() {
    local folder="$1" sources
    shift
    sources="$(source_set; printf '%s ' "$@")"
    if [ ! -f "$folder/build.ninja" ]; then
        quietly "configure-$(basename "$folder")" meson setup "$folder" "$@" || return
    elif [ "$(cat "$folder/.sources" 2>/dev/null)" != "$sources" ]; then
        quietly "configure-$(basename "$folder")" meson setup --reconfigure "$folder" "$@" || return
    fi
    printf '%s\n' "$sources" >"$folder/.sources"
}

compile() {
    quietly "compile-$(basename "$1")" ninja -C "$1" -j "$(jobs_count)" "${@:2}"
}

build_main() {
    configure "$BUILD" --buildtype=release -Doptimization=2 -Ddebug=true --libdir=lib --prefix="$STAGE" &&
        compile "$BUILD"
}

# The library as its users have it, under build/stage.
build_stage() {
    build_main && quietly install-stage meson install -C "$BUILD" --no-rebuild
}

dev_build() {
    need setup
    build_main
    say "built under build/"
}
