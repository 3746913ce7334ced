// SPDX-License-Identifier: Apache-2.0

//go:build memstore_vendored && memstore_zstd

package vendored

// Compressed snapshots, for which libzstd is needed.

/*
#cgo pkg-config: libzstd
#cgo CFLAGS: -DMS_HAVE_ZSTD
*/
import "C"
