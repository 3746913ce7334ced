/* SPDX-License-Identifier: Apache-2.0 */
/** @file export.h
 * Marks what the shared library exports; everything else has hidden visibility. */
#ifndef MEMSTORE_EXPORT_H
#define MEMSTORE_EXPORT_H

#if defined(__GNUC__) && !defined(SWIG)
#define MEMSTORE_API __attribute__((visibility("default")))
#define MEMSTORE_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define MEMSTORE_API
#define MEMSTORE_WARN_UNUSED
#endif

#endif
