/* SPDX-License-Identifier: Apache-2.0 */
/* What a store's word `hot` says. */
#ifndef MS_STORE_HOT_H
#define MS_STORE_HOT_H

#include <stdint.h>

/* `hot`: the arena's base, which is aligned to a huge page, and below it what every read wants to
 * know. */
#define MS_HOT_MASK ((UINT64_C(1) << 21) - 1)
#define MS_HOT_SHARDS UINT64_C(0xffff) /* number of shards - 1 */
/* The whole of quick.h may be used: XXH3, tables that lie at multiples of the least, no creation times, a
 * policy that counts. */
#define MS_HOT_USUAL (UINT64_C(1) << 16)
/* quick.h may be used: the store is open and has a stripe of counters for every prepared reader. */
#define MS_HOT_OPEN (UINT64_C(1) << 17)
/* In a store that is open so, entries with a value of so many bytes at most share their segment with
 * others. */
#define MS_QUICK_SHARED 4096
/* Calls are measured, or some keys followed; the other two are not set then but stand in
 * `hot_unmeasured`, so that reads of other stores need not ask. */
#define MS_HOT_MEASURED (UINT64_C(1) << 18)
/* The same in what would be a usual store. */
#define MS_HOT_MEASURED_USUAL (UINT64_C(1) << 19)
/* That, and only because keys are followed: ms_store_get_following() is for these. */
#define MS_HOT_FOLLOWED_USUAL (UINT64_C(1) << 20)
#define MS_HOT_FLAGS                                                                               \
    (MS_HOT_USUAL | MS_HOT_OPEN | MS_HOT_MEASURED | MS_HOT_MEASURED_USUAL | MS_HOT_FOLLOWED_USUAL)

#endif
