// SPDX-License-Identifier: Apache-2.0

//go:build memstore_vendored

// Package vendored is the library, compiled from memstore.c, which tools/amalgamate.py makes of the
// sources in lib/.
package vendored

/*
#cgo pkg-config: liburcu-bp yaml-0.1 libxxhash
#cgo CFLAGS: -std=gnu11 -O2 -D_GNU_SOURCE -DNDEBUG -ftls-model=initial-exec -I${SRCDIR}
#cgo LDFLAGS: -Wl,--as-needed -pthread
*/
import "C"

// What has headers and nothing else would be left out of a vendor folder.
import _ "github.com/weisyn/memstore/bindings/go/internal/vendored/memstore"
