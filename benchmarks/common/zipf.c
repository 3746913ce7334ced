/* SPDX-License-Identifier: Apache-2.0 */
/* Rejection-inversion: W. Hoermann and G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6(3), 1996. Names follow the paper: H is the
 * integral of h(x) = x^-exponent. */
#include "common/zipf.h"

#include <math.h>

/* (e^x - 1) / x and log(1 + x) / x, continued through 0, so that an exponent of 1 is no special
 * case. */
static double expm1_over(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1.0 + x * 0.5;
}

static double log1p_over(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1.0 - x * 0.5;
}

static double integral(double exponent, double x)
{
    double log_x = log(x);

    return expm1_over((1.0 - exponent) * log_x) * log_x;
}

static double integral_inverse(double exponent, double x)
{
    double t = x * (1.0 - exponent);

    if (t < -1.0)
        t = -1.0;
    return exp(log1p_over(t) * x);
}

static double density(double exponent, double x)
{
    return exp(-exponent * log(x));
}

void zipf_init(struct zipf *zipf, uint64_t n, double exponent)
{
    zipf->n = n;
    zipf->exponent = exponent;
    zipf->integral_first = integral(exponent, 1.5) - 1.0;
    zipf->integral_last = integral(exponent, (double)n + 0.5);
    zipf->squeeze =
        2.0 - integral_inverse(exponent, integral(exponent, 2.5) - density(exponent, 2.0));
}

uint64_t zipf_draw(const struct zipf *zipf, struct random_state *random)
{
    for (;;) {
        double u = zipf->integral_last +
                   random_unit(random) * (zipf->integral_first - zipf->integral_last);
        double x = integral_inverse(zipf->exponent, u);
        double rank = floor(x + 0.5);

        if (rank < 1.0)
            rank = 1.0;
        else if (rank > (double)zipf->n)
            rank = (double)zipf->n;
        if (rank - x <= zipf->squeeze ||
            u >= integral(zipf->exponent, rank + 0.5) - density(zipf->exponent, rank))
            return (uint64_t)rank - 1;
    }
}
