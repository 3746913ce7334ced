/* SPDX-License-Identifier: Apache-2.0 */
/* How far a limit has come on its way down. */
#ifndef MS_STORE_SPACE_DESCENT_H
#define MS_STORE_SPACE_DESCENT_H

#include <stdint.h>

/* All zero = it has not begun. */
struct ms_descent {
    uint64_t limit;
    uint64_t charged; /* the least at that limit, to a segment */
    uint64_t entries; /* the least with so much charged */
    int64_t vain_us;  /* what was spent since without coming further */
};

#endif
