/* SPDX-License-Identifier: Apache-2.0 */
/* What the system says this process holds. */
#ifndef BENCH_PROCESS_MEMORY_H
#define BENCH_PROCESS_MEMORY_H

#include <stdint.h>

/* Resident bytes, exactly (smaps_rollup walks the page tables; the counters of statm may lag by
 * some MiB). Falls back to statm where smaps_rollup is absent; 0 when neither can be read. */
uint64_t process_resident_bytes(void);

#endif
