/* SPDX-License-Identifier: Apache-2.0 */
/** @file version.h
 * The version of these headers. The build reads it from here; nothing else states it. */
#ifndef MEMSTORE_VERSION_H
#define MEMSTORE_VERSION_H

#define MEMSTORE_VERSION_MAJOR 0
#define MEMSTORE_VERSION_MINOR 1
#define MEMSTORE_VERSION_PATCH 0
#define MEMSTORE_VERSION_STRING "0.1.0"

#endif
