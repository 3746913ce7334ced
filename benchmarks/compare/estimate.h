/* SPDX-License-Identifier: Apache-2.0 */
/* How much longer one of two takes, and how sure that is.
 *
 * Rounds of one trial share stores, addresses and whatever the machine does in those seconds; only trials
 * are independent. So a trial counts once, with the median of its rounds' ratios, and Student's t over
 * the logarithms of those medians gives the interval. */
#ifndef COMPARE_ESTIMATE_H
#define COMPARE_ESTIMATE_H

#include <stddef.h>

enum { ESTIMATE_MOST_TRIALS = 31 };

struct estimate {
    double ratio;     /* time of the second by time of the first */
    double low, high; /* in 95 of 100 such comparisons the true one lies between */
};

/* The median; sorts the values. */
double estimate_median(double *values, size_t count);
/* From one ratio each of 2 to ESTIMATE_MOST_TRIALS trials. */
struct estimate estimate_of(const double *ratios, size_t trials);

#endif
