/* SPDX-License-Identifier: Apache-2.0 */
/* A progress bar on the standard error, drawn only when that is a terminal and at most ten times
 * a second. */
#ifndef REPLAY_PROGRESS_H
#define REPLAY_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool enabled;
    bool drawn;
    uint64_t started_ns, last_ns;
    char label[64];
};

/* Start a bar. quiet draws nothing, also on a terminal. */
void progress_start(struct progress *progress, bool quiet, const char *label);
/* total 0 = unknown: only what is done is shown. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);
/* Take the bar off the screen. */
void progress_finish(struct progress *progress);

#endif
