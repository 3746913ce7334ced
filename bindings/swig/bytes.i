/* SPDX-License-Identifier: Apache-2.0 */
/* Where byte strings cross. A language's typemaps.i defines, before this file is read, what each pair
 * becomes:
 *
 *   MEMSTORE_BYTES_IN(POINTER, SIZE)   bytes lent to the library for the call
 *   MEMSTORE_BYTES_OUT(POINTER, SIZE)  a buffer of the caller's that the library fills
 *
 * The names of the parameters are those of the public headers and of glue.h; a pair that is not listed
 * here is a plain pointer and a plain number. */
MEMSTORE_BYTES_IN(const void *key, size_t key_size)
MEMSTORE_BYTES_IN(const void *value, size_t value_size)
MEMSTORE_BYTES_IN(const void *keys, size_t keys_size)
MEMSTORE_BYTES_IN(const void *packed, size_t packed_size)
MEMSTORE_BYTES_IN(const char *pattern, size_t pattern_size)
MEMSTORE_BYTES_IN(const char *yaml, size_t yaml_size)
MEMSTORE_BYTES_OUT(void *buf, size_t cap)
