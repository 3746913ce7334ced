// SPDX-License-Identifier: Apache-2.0

//go:build memstore_static && !memstore_vendored

package native

// pkg-config names the libraries once more, behind these: then nothing is missing any more, and no shared
// one is needed.

/*
#cgo pkg-config: --static memstore
#cgo LDFLAGS: -Wl,--as-needed -l:libmemstore.a -l:liburcu-bp.a -l:liburcu-common.a -l:libyaml.a -pthread
*/
import "C"
