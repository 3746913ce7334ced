/* SPDX-License-Identifier: Apache-2.0 */
/* Packing of blocks, where the library was built with libzstd. */
#ifndef MS_SNAPSHOT_PACKING_H
#define MS_SNAPSHOT_PACKING_H

#include <stdbool.h>
#include <stddef.h>

struct ms_packing;

bool ms_packing_is_supported(void);
/* NULL when there is no memory, or no support. */
struct ms_packing *ms_packing_new(void);
void ms_packing_free(struct ms_packing *packing);

/* Most bytes that `size` bytes can become. */
size_t ms_packing_bound(size_t size);
/* Pack; 0 when it did not get smaller or did not work. `cap` is at least the bound. */
size_t ms_packing_pack(struct ms_packing *packing, const void *from, size_t size, void *to,
                       size_t cap);
/* Unpack what must become exactly `size` bytes. */
bool ms_packing_unpack(struct ms_packing *packing, const void *from, size_t stored, void *to,
                       size_t size);

#endif
