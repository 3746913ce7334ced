/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks 0 .. n-1 drawn with a probability proportional to 1 / (rank + 1)^exponent, exactly and
 * in constant memory. */
#ifndef BENCH_ZIPF_H
#define BENCH_ZIPF_H

#include "common/random.h"
#include <stdint.h>

struct zipf {
    uint64_t n;
    double exponent;
    double integral_first; /* H(1.5) - 1: the lower end of the inverted interval */
    double integral_last;  /* H(n + 0.5): its upper end */
    double squeeze;        /* candidates this close to their rank need no rejection test */
};

/* n >= 1, exponent > 0. */
void zipf_init(struct zipf *zipf, uint64_t n, double exponent);
uint64_t zipf_draw(const struct zipf *zipf, struct random_state *random);

#endif
