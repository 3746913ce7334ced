// SPDX-License-Identifier: Apache-2.0

//go:build !memstore_static && !memstore_vendored

package native

// #cgo pkg-config: memstore
import "C"
