/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/estimate.h"

#include <math.h>
#include <stdlib.h>

/* Student's t at 97.5 %, by degrees of freedom from 1 on. */
static const double student[ESTIMATE_MOST_TRIALS - 1] = {
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
};

static int compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

double estimate_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

struct estimate estimate_of(const double *ratios, size_t trials)
{
    double mean = 0, squares = 0;

    for (size_t i = 0; i < trials; i++)
        mean += log(ratios[i]) / (double)trials;
    for (size_t i = 0; i < trials; i++)
        squares += (log(ratios[i]) - mean) * (log(ratios[i]) - mean);

    const double error = sqrt(squares / (double)(trials - 1) / (double)trials);
    const double reach = student[trials - 2] * error;
    return (struct estimate){exp(mean), exp(mean - reach), exp(mean + reach)};
}
