# SPDX-License-Identifier: Apache-2.0
# ./dev docs: what is generated from the table of settings, lib/config/schema.c. It is committed, and a test compares it.

source tools/dev/build.sh

dev_docs() {
    need setup
    build_main && "$BUILD/tests/config_docs" "$ROOT" && say "docs/configuration.md and docs/configuration.schema.json are written"
}
