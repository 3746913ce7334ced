# SPDX-License-Identifier: Apache-2.0
# ./dev wheel: the Python package as it is given away, under build/dist.

source tools/dev/bindings.sh

dev_wheel() {
    [ $# -eq 0 ] || die "usage: ./dev wheel"
    need setup
    quietly build-dist build_dist
    ls "$BUILD/dist" | sed "s|^|${BUILD#"$ROOT"/}/dist/|"
}
