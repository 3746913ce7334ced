# SPDX-License-Identifier: Apache-2.0
# ./dev docs: what is generated from the table of settings, lib/config/schema.c. It is committed, and a test compares it.

source tools/dev/build.sh

dev_docs() {
    need setup
    build_main && "$BUILD/tests/config_docs" "$ROOT" && say "docs/configuration.md, docs/configuration.schema.json and bindings/python/memstore/_settings.py are written"
}
