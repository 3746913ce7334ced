/* SPDX-License-Identifier: Apache-2.0 */
/* Times a case on one or more threads at once, each pinned to a processor and with a stream of
 * its own. */
#ifndef ROOFLINE_MEASURE_H
#define ROOFLINE_MEASURE_H

#include "roofline/cases.h"

enum { MEASURE_MAX_THREADS = 64 };

/* Nanoseconds for an operation on each thread, the mean over the threads; with cpu_time those in
 * which the thread ran, for machines that others use too. *correct becomes false when a thread
 * did not find or write every key of its stream, or when the values it read are not the right
 * ones. */
double measure(enum case_id id, const struct subject *subject, const struct stream *streams,
               unsigned threads, bool cpu_time, bool *correct);

#endif
