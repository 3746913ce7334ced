// SPDX-License-Identifier: Apache-2.0

// Package yamltest has YAML packages read and write a memstore.Config. It is a module of its own, so that
// the binding depends on nothing.
package yamltest
