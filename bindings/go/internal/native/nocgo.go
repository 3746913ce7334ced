// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package native

const _ = memstore_needs_cgo__install_a_C_compiler_and_set_CGO_ENABLED_to_1
